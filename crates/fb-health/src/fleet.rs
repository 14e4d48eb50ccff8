//! All targets together: who is compared with whom, and what each may do.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{Eligibility, InvalidConfig, Skip};
use parking_lot::Mutex;

use crate::{
    config::{HealthConfig, ProbeConfig},
    endpoint::{Check, Condition, Endpoint},
    outlier,
    panic::PanicMode,
    passive::{Origin, Passive},
    status::{LastCheck, Latency, Status},
};

/// The targets of a program, the endpoints they are reached by, and the groups of peers they are compared in.
///
/// A clone is the same fleet. Nothing here waits: every operation takes a few short locks, one after the other.
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

struct Shared {
    config: HealthConfig,
    roster: Mutex<Roster>,
    random: Mutex<fastrand::Rng>,
    /// Held while a target is judged, so that two are not ejected on the same count of the ejected.
    judging: Mutex<()>,
}

#[derive(Default)]
struct Roster {
    targets: BTreeMap<Arc<str>, Arc<Target>>,
    endpoints: BTreeMap<Arc<str>, Arc<Place>>,
    groups: BTreeMap<Arc<str>, Arc<PanicMode>>,
}

struct Target {
    name: Arc<str>,
    group: Arc<str>,
    panic: Arc<PanicMode>,
    place: Arc<Place>,
    config: HealthConfig,
    passive: Mutex<Passive>,
}

/// An endpoint, and when a call to it last went well.
pub(crate) struct Place {
    pub(crate) name: Arc<str>,
    pub(crate) config: ProbeConfig,
    endpoint: Mutex<Endpoint>,
    served: Mutex<Option<Instant>>,
}

/// One target of a [`Fleet`]; a clone is the same target.
#[derive(Clone)]
pub struct Member {
    target: Arc<Target>,
    fleet: Fleet,
}

impl Fleet {
    /// A fleet without targets.
    ///
    /// # Errors
    /// Names the first field of `config` with which nothing could work.
    pub fn new(config: HealthConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let shared = Shared {
            config,
            roster: Mutex::default(),
            random: Mutex::new(fastrand::Rng::new()),
            judging: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes jitter repeatable.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        *self.shared.random.lock() = fastrand::Rng::with_seed(seed);
        self
    }

    /// Adds a target, reached by an endpoint that others may share, compared with those of the same group. A target of
    /// this name that is there already is kept as it is, with all that is known of it.
    pub fn join(&self, name: &str, endpoint: &str, group: &str, now: Instant) -> Member {
        self.add(self.shared.config.clone(), name, endpoint, group, now)
    }

    /// As [`join`](Self::join), with settings of its own. How an endpoint is asked is decided by the first target that is
    /// reached by it, and how many are asked at one time by the fleet.
    ///
    /// # Errors
    /// Names the first field of `config` with which nothing could work.
    pub fn join_with(
        &self,
        config: HealthConfig,
        name: &str,
        endpoint: &str,
        group: &str,
        now: Instant,
    ) -> Result<Member, InvalidConfig> {
        config.validate()?;
        Ok(self.add(config, name, endpoint, group, now))
    }

    fn add(&self, config: HealthConfig, name: &str, endpoint: &str, group: &str, now: Instant) -> Member {
        let unit = self.unit();
        let mut roster = self.shared.roster.lock();
        let known = roster.targets.get(name).cloned();
        let target = known.unwrap_or_else(|| {
            let place = roster.endpoints.entry(endpoint.into()).or_insert_with_key(|name| {
                let endpoint = Endpoint::new(&config.probe, now, unit);
                Arc::new(Place {
                    name: Arc::clone(name),
                    config: config.probe.clone(),
                    endpoint: Mutex::new(endpoint),
                    served: Mutex::default(),
                })
            });
            let place = Arc::clone(place);
            let panic = Arc::clone(roster.groups.entry(group.into()).or_default());
            let passive = Mutex::new(Passive::new(&config, now));
            let target =
                Arc::new(Target { name: name.into(), group: group.into(), panic, place, config, passive });
            roster.targets.insert(Arc::clone(&target.name), Arc::clone(&target));
            target
        });
        Member { target, fleet: self.clone() }
    }

    /// Forgets a target, and its endpoint and group with the last of theirs. What is still said of it changes nothing.
    pub fn leave(&self, name: &str) {
        let mut roster = self.shared.roster.lock();
        if let Some(gone) = roster.targets.remove(name) {
            if !roster.targets.values().any(|target| Arc::ptr_eq(&target.place, &gone.place)) {
                roster.endpoints.remove(&gone.place.name);
            }
            if !roster.targets.values().any(|target| target.group == gone.group) {
                roster.groups.remove(&gone.group);
            }
        }
    }

    /// Names of the targets that may be called, in order.
    pub fn healthy_targets(&self, now: Instant) -> Vec<Arc<str>> {
        let usable = |member: &Member| member.eligibility(now).is_usable();
        self.members().into_iter().filter(usable).map(|member| Arc::clone(&member.target.name)).collect()
    }

    /// How every target fares, in order of name.
    pub fn status(&self, now: Instant) -> Vec<Status> {
        self.members().iter().map(|member| member.status(now)).collect()
    }

    /// Whether it is this machine's network: every target called in the last window failed last for want of a
    /// connection, at two endpoints at least. Nothing is ejected then.
    pub fn is_local_outage(&self, now: Instant) -> bool {
        let mut endpoints = Vec::new();
        for member in self.members() {
            let window = member.target.config.window;
            match member.target.passive.lock().last_call {
                Some((when, _)) if now.saturating_duration_since(when) > window => {}
                Some((_, Some(Origin::Local))) => endpoints.push(Arc::clone(&member.target.place.name)),
                Some(_) => return false,
                None => {}
            }
        }
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints.len() >= 2
    }

    /// Tells what a probe of an endpoint found. A name that no target is reached by changes nothing.
    pub fn record_check(&self, endpoint: &str, found: Check, now: Instant) {
        let place = self.shared.roster.lock().endpoints.get(endpoint).cloned();
        if let Some(place) = place {
            self.record_at(&place, found, now);
        }
    }

    pub(crate) fn record_at(&self, place: &Place, found: Check, now: Instant) {
        let unit = self.unit();
        place.endpoint.lock().record(&place.config, found, now, unit);
    }

    pub(crate) fn config(&self) -> &HealthConfig {
        &self.shared.config
    }

    pub(crate) fn places(&self) -> Vec<Arc<Place>> {
        self.shared.roster.lock().endpoints.values().cloned().collect()
    }

    /// When the endpoint is to be asked. One that served a call within its interval is not: that was its answer.
    pub(crate) fn due(&self, place: &Place, now: Instant) -> Instant {
        let config = &place.config;
        let (served, unit) = (*place.served.lock(), self.unit());
        let mut endpoint = place.endpoint.lock();
        let lately = |when: Instant| now.saturating_duration_since(when) < endpoint.interval(config);
        if endpoint.due() <= now
            && let Some(when) = served.filter(|when| lately(*when))
        {
            endpoint.served(config, when, unit);
        }
        endpoint.due()
    }

    fn members(&self) -> Vec<Member> {
        let targets: Vec<_> = self.shared.roster.lock().targets.values().cloned().collect();
        targets.into_iter().map(|target| Member { target, fleet: self.clone() }).collect()
    }

    fn peers(&self, of: &Target) -> Vec<Member> {
        self.members().into_iter().filter(|member| member.target.group == of.group).collect()
    }

    fn unit(&self) -> f64 {
        self.shared.random.lock().f64()
    }
}

impl Member {
    /// The target's name.
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// A call gave its first output after so long; a plain one its whole answer.
    pub fn success(&self, first: Duration, now: Instant) {
        self.target.passive.lock().success(first, now);
        *self.target.place.served.lock() = Some(now);
    }

    /// An answer of so many tokens took so long. Few tokens say nothing of speed: under 8 are left out.
    pub fn pace(&self, tokens: u64, took: Duration, now: Instant) {
        if tokens >= 8 {
            #[expect(clippy::cast_precision_loss, reason = "no answer has 2^52 tokens")]
            let each = took.as_secs_f64() / tokens as f64;
            self.target.passive.lock().pace.record(each, now);
        }
    }

    /// A call failed; with the reason, for display. What says nothing of the target, such as a caller's mistake, is not
    /// told.
    pub fn failure(&self, origin: Origin, why: impl Into<Arc<str>>, now: Instant) {
        let config = &self.target.config;
        self.target.passive.lock().failure(origin, why.into(), now, &config.ramp);
        self.judge(now);
    }

    /// What health says of the target alone.
    pub fn standing(&self, now: Instant) -> Eligibility {
        {
            let endpoint = self.target.place.endpoint.lock();
            if endpoint.condition() == Condition::Unhealthy {
                let left = endpoint.due().saturating_duration_since(now);
                return Eligibility::unusable(Skip::Unhealthy, Some(left));
            }
        }
        let passive = self.target.passive.lock();
        if let Some(left) = passive.left_out(now) {
            return Eligibility::unusable(Skip::Ejected, Some(left));
        }
        let weight = passive.share(&self.target.config.ramp, now);
        Eligibility { weight, ..Eligibility::usable() }
    }

    /// Whether the target may be called: what health says of it, unless so few of its group are healthy that nobody is
    /// left out.
    pub fn eligibility(&self, now: Instant) -> Eligibility {
        let own = self.standing(now);
        if own.is_usable() {
            return own;
        }
        let peers = self.fleet.peers(&self.target);
        let healthy = peers.iter().filter(|peer| peer.standing(now).is_usable()).count();
        let panic = self.target.panic.update(&self.target.config.panic, healthy, peers.len());
        if panic { Eligibility::usable() } else { own }
    }

    /// What free probes last said of where it answers.
    pub fn condition(&self) -> Condition {
        self.target.place.endpoint.lock().condition()
    }

    /// How long its latest calls took to their first output; `None` before the first.
    pub fn latency(&self, now: Instant) -> Option<Latency> {
        self.target.passive.lock().latency(now)
    }

    /// How it fares.
    pub fn status(&self, now: Instant) -> Status {
        let eligibility = self.eligibility(now);
        let panic = eligibility.is_usable() && !self.standing(now).is_usable();
        let ago = |when: Instant| now.saturating_duration_since(when);
        let (condition, last_check) = {
            let endpoint = self.target.place.endpoint.lock();
            let last =
                endpoint.last().map(|(when, found)| LastCheck { ago: ago(*when), found: found.clone() });
            (endpoint.condition(), last)
        };
        let passive = self.target.passive.lock();
        let counts = passive.counts(now);
        Status {
            name: Arc::clone(&self.target.name),
            endpoint: Arc::clone(&self.target.place.name),
            condition,
            eligibility,
            panic,
            calls: counts.calls,
            failed: counts.failed,
            errors: passive.errors,
            consecutive_failures: passive.consecutive_failures,
            latency: passive.latency(now),
            tokens_per_second: passive.pace.value().filter(|each| *each > 0.0).map(f64::recip),
            last_check,
            last_error: passive.last_error.as_ref().map(|(when, why)| (Arc::clone(why), ago(*when))),
        }
    }

    /// Leaves the target out if it fails more than it should: compared with its peers, or by its count of errors when
    /// there are too few of them to compare it with.
    fn judge(&self, now: Instant) {
        let config = &self.target.config;
        let _one_at_a_time = self.fleet.shared.judging.lock();
        let (own, errors) = {
            let passive = self.target.passive.lock();
            if passive.left_out(now).is_some() {
                return;
            }
            (passive.counts(now), passive.errors)
        };
        let (mut others, mut ejected) = (Vec::new(), 0);
        for peer in self.fleet.peers(&self.target) {
            if !Arc::ptr_eq(&peer.target, &self.target) {
                let passive = peer.target.passive.lock();
                others.push(passive.counts(now));
                ejected += usize::from(passive.left_out(now).is_some());
            }
        }
        let alone = others.len() + 1 < config.outlier.min_peers as usize;
        let too_many = config.errors.as_ref().filter(|limit| alone && errors >= limit.limit);
        let outlier = outlier::is_outlier(&config.outlier, own, &others, ejected);
        if (too_many.is_none() && !outlier) || self.fleet.is_local_outage(now) {
            return;
        }
        let unit = self.fleet.unit();
        let mut passive = self.target.passive.lock();
        match too_many {
            Some(errors) => passive.leave_out(errors.recovery, 1, now),
            None => passive.eject(config, now, unit),
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roster = self.shared.roster.lock();
        f.debug_struct("Fleet").field("targets", &roster.targets.keys()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("name", &self.target.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
