//! The fleet: all targets with their endpoints and peer groups.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fb_core::{Eligibility, InvalidConfig, Skip};
use parking_lot::Mutex;

use crate::{
    config::{Decay, HealthConfig, ProbeConfig},
    endpoint::{Check, Condition, Endpoint},
    outlier,
    panic::PanicMode,
    passive::{Origin, PassiveHealth},
    status::{LastCheck, Latency, Status},
};

/// The targets of a program, with their endpoints and the groups of peers in which they are compared.
///
/// A clone is a handle to the same fleet. No operation blocks for long: each takes a few short locks, one after
/// another.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use fb_health::{Check, Fleet, HealthConfig};
///
/// let fleet = Fleet::new(HealthConfig::default())?;
/// let now = Instant::now();
/// let target = fleet.join("cloud/large", "cloud", "chat", now);
/// target.record_success(Duration::from_millis(300), now);
/// assert!(target.eligibility(now).is_usable());
///
/// for _ in 0..3 {
///     fleet.record_check("cloud", Check::Failed("connection refused".to_owned()), now);
/// }
/// assert!(!target.own_eligibility(now).is_usable());
/// # Ok::<(), fb_core::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

struct Shared {
    config: HealthConfig,
    roster: Mutex<Roster>,
    random: Mutex<fastrand::Rng>,
    /// Held while a target is judged, so that two targets are not ejected on the same count of ejected peers.
    judging: Mutex<()>,
}

#[derive(Default)]
struct Roster {
    targets: BTreeMap<Arc<str>, Arc<Target>>,
    endpoints: BTreeMap<Arc<str>, Arc<SharedEndpoint>>,
    groups: BTreeMap<Arc<str>, Arc<PanicMode>>,
}

struct Target {
    name: Arc<str>,
    endpoint: Arc<SharedEndpoint>,
    state: Mutex<TargetHealth>,
    /// True if the state has an ejection, also a past one, so that the check of any other target takes no lock.
    has_ejection: AtomicBool,
}

/// The passive health of a target, with the settings by which it is judged.
struct TargetHealth {
    config: HealthConfig,
    group: Arc<str>,
    /// The panic mode of the group.
    panic: Arc<PanicMode>,
    passive: PassiveHealth,
}

/// An endpoint, shared by all its targets.
pub(crate) struct SharedEndpoint {
    pub(crate) name: Arc<str>,
    config: Mutex<ProbeConfig>,
    state: Mutex<Endpoint>,
    /// True if the state is unhealthy, also for longer than it lasts, so that the check of any other endpoint takes no
    /// lock.
    is_unhealthy: AtomicBool,
    created: Instant,
    /// The time of the last successful call in nanoseconds since `created`; the largest value before the first.
    last_success: AtomicU64,
}

impl SharedEndpoint {
    fn new(name: &Arc<str>, config: &ProbeConfig, now: Instant, random: f64) -> Self {
        Self {
            name: Arc::clone(name),
            config: Mutex::new(config.clone()),
            state: Mutex::new(Endpoint::new(config, now, random)),
            is_unhealthy: AtomicBool::new(false),
            created: now,
            last_success: AtomicU64::new(u64::MAX),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Endpoint)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.is_unhealthy.store(state.is_unhealthy(), Ordering::Release);
    }

    fn record_success(&self, now: Instant) {
        let since = now.saturating_duration_since(self.created).as_nanos();
        self.last_success.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn last_success(&self) -> Option<Instant> {
        let since = Some(self.last_success.load(Ordering::Relaxed)).filter(|since| *since < u64::MAX)?;
        self.created.checked_add(Duration::from_nanos(since))
    }

    /// Begins a check, or returns the time of the next permitted one.
    pub(crate) fn begin_check(&self, now: Instant) -> Result<(), Instant> {
        self.state.lock().begin(&self.config(), now)
    }

    /// Returns the timeout of a check: that of the settings, capped at the interval to the next check, so that a hung
    /// check does not delay the recovery of an unhealthy endpoint.
    pub(crate) fn probe_timeout(&self) -> Duration {
        let config = self.config();
        config.timeout.min(self.state.lock().interval(&config))
    }
}

/// One target of a [`Fleet`]; a clone is a handle to the same target.
#[derive(Clone)]
pub struct Member {
    target: Arc<Target>,
    fleet: Fleet,
}

impl Fleet {
    /// Creates a fleet without targets.
    ///
    /// # Errors
    /// Returns the first invalid setting.
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

    /// Seeds the random numbers for jitter, which makes it reproducible.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        *self.shared.random.lock() = fastrand::Rng::with_seed(seed);
        self
    }

    /// Adds a target with an endpoint, which other targets may share, and a group of peers.
    ///
    /// If the fleet already has a target of this name, that target is returned unchanged.
    pub fn join(&self, name: &str, endpoint: &str, group: &str, now: Instant) -> Member {
        self.add(self.shared.config.clone(), name, endpoint, group, now)
    }

    /// Adds a target as [`join`](Self::join) does, with its own settings.
    ///
    /// The probe settings of an endpoint are those of its first target; the probe concurrency is that of the fleet.
    ///
    /// # Errors
    /// Returns the first invalid setting.
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
        let random = self.random();
        let mut roster = self.shared.roster.lock();
        let known = roster.targets.get(name).cloned();
        let target = known.unwrap_or_else(|| {
            let endpoint = roster.endpoints.entry(endpoint.into());
            let endpoint = endpoint
                .or_insert_with_key(|name| Arc::new(SharedEndpoint::new(name, &config.probe, now, random)));
            let endpoint = Arc::clone(endpoint);
            let panic = Arc::clone(roster.groups.entry(group.into()).or_default());
            let passive = PassiveHealth::new(&config, now);
            let state = Mutex::new(TargetHealth { config, group: group.into(), panic, passive });
            let target =
                Arc::new(Target { name: name.into(), endpoint, state, has_ejection: AtomicBool::new(false) });
            roster.targets.insert(Arc::clone(&target.name), Arc::clone(&target));
            target
        });
        Member { target, fleet: self.clone() }
    }

    /// Removes a target, and its endpoint and group if no other target uses them. Calls recorded later through existing
    /// handles of the target have no effect on the fleet.
    pub fn leave(&self, name: &str) {
        let mut roster = self.shared.roster.lock();
        if let Some(removed) = roster.targets.remove(name) {
            if !roster.targets.values().any(|target| Arc::ptr_eq(&target.endpoint, &removed.endpoint)) {
                roster.endpoints.remove(&removed.endpoint.name);
            }
            let group = Arc::clone(&removed.state.lock().group);
            roster.drop_empty_group(&group);
        }
    }

    /// Replaces the probe settings of an endpoint. Its condition stays; its next check is due after the new interval at the
    /// latest. An unknown name has no effect.
    ///
    /// # Errors
    /// Returns the first invalid setting.
    pub fn reconfigure_probe(
        &self,
        endpoint: &str,
        config: ProbeConfig,
        now: Instant,
    ) -> Result<(), InvalidConfig> {
        HealthConfig { probe: config.clone(), ..HealthConfig::default() }.validate()?;
        let known = self.shared.roster.lock().endpoints.get(endpoint).cloned();
        if let Some(endpoint) = known
            && endpoint.config() != config
        {
            endpoint.state.lock().expedite(&config, now);
            *endpoint.config.lock() = config;
        }
        Ok(())
    }

    /// Returns the names of the targets that can be called, sorted.
    pub fn healthy_targets(&self, now: Instant) -> Vec<Arc<str>> {
        let is_usable = |member: &Member| member.eligibility(now).is_usable();
        self.members().into_iter().filter(is_usable).map(|member| Arc::clone(&member.target.name)).collect()
    }

    /// Returns the status of all targets, sorted by name.
    pub fn status(&self, now: Instant) -> Vec<Status> {
        self.members().iter().map(|member| member.status(now)).collect()
    }

    /// Returns whether the local network seems to be down.
    ///
    /// That is the case if the last call of every target in the window failed to connect, at two endpoints or more. No
    /// target is ejected then.
    pub fn is_local_outage(&self, now: Instant) -> bool {
        let mut endpoints = Vec::new();
        for member in self.members() {
            let state = member.target.state.lock();
            match state.passive.last_call {
                Some((when, _)) if now.saturating_duration_since(when) > state.config.window => {}
                Some((_, Some(Origin::Local))) => endpoints.push(Arc::clone(&member.target.endpoint.name)),
                Some(_) => return false,
                None => {}
            }
        }
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints.len() >= 2
    }

    /// Records the result of a health check of an endpoint. An unknown name has no effect.
    pub fn record_check(&self, endpoint: &str, result: Check, now: Instant) {
        let endpoint = self.shared.roster.lock().endpoints.get(endpoint).cloned();
        if let Some(endpoint) = endpoint {
            self.record_check_of(&endpoint, result, now);
        }
    }

    pub(crate) fn record_check_of(&self, endpoint: &SharedEndpoint, result: Check, now: Instant) {
        let random = self.random();
        let config = endpoint.config();
        endpoint.change(|state| state.record(&config, result, now, random));
    }

    pub(crate) fn config(&self) -> &HealthConfig {
        &self.shared.config
    }

    pub(crate) fn endpoints(&self) -> Vec<Arc<SharedEndpoint>> {
        self.shared.roster.lock().endpoints.values().cloned().collect()
    }

    /// Returns the time at which the endpoint is due for a check. A successful call within the interval replaces the
    /// check.
    pub(crate) fn due(&self, endpoint: &SharedEndpoint, now: Instant) -> Instant {
        let config = &endpoint.config();
        let (last_success, random) = (endpoint.last_success(), self.random());
        let mut state = endpoint.state.lock();
        let is_recent = |when: Instant| now.saturating_duration_since(when) < state.interval(config);
        if state.due() <= now
            && let Some(when) = last_success.filter(|when| is_recent(*when))
        {
            state.record_served_call(config, when, random);
            endpoint.is_unhealthy.store(state.is_unhealthy(), Ordering::Release);
        }
        state.due()
    }

    /// Returns the probe settings of an endpoint: those of its first target.
    pub fn probe_config(&self, endpoint: &str) -> Option<ProbeConfig> {
        self.shared.roster.lock().endpoints.get(endpoint).map(|endpoint| endpoint.config())
    }

    fn members(&self) -> Vec<Member> {
        let targets: Vec<_> = self.shared.roster.lock().targets.values().cloned().collect();
        targets.into_iter().map(|target| Member { target, fleet: self.clone() }).collect()
    }

    fn peers(&self, target: &Target) -> Vec<Member> {
        let group = Arc::clone(&target.state.lock().group);
        self.members().into_iter().filter(|member| member.target.state.lock().group == group).collect()
    }

    fn random(&self) -> f64 {
        self.shared.random.lock().f64()
    }
}

impl Roster {
    fn drop_empty_group(&mut self, group: &Arc<str>) {
        if !self.targets.values().any(|target| target.state.lock().group == *group) {
            self.groups.remove(group);
        }
    }
}

impl SharedEndpoint {
    pub(crate) fn config(&self) -> ProbeConfig {
        self.config.lock().clone()
    }
}

impl Member {
    /// Returns the name of the target.
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// Replaces the settings of the target and its group of peers. What is known of the target stays, except that the
    /// counts of the window begin anew if its length changes. The probe settings are those of the endpoint:
    /// [`Fleet::reconfigure_probe`].
    ///
    /// # Errors
    /// Returns the first invalid setting; the target is then unchanged.
    pub fn reconfigure(&self, config: HealthConfig, group: &str, now: Instant) -> Result<(), InvalidConfig> {
        config.validate()?;
        let mut roster = self.fleet.shared.roster.lock();
        let mut state = self.target.state.lock();
        if state.config == config && *state.group == *group {
            return Ok(());
        }
        let panic = Arc::clone(roster.groups.entry(group.into()).or_default());
        if state.config.window != config.window {
            state.passive.resize_window(config.window, now);
        }
        let left = std::mem::replace(&mut state.group, group.into());
        (state.config, state.panic) = (config, panic);
        drop(state);
        roster.drop_empty_group(&left);
        Ok(())
    }

    /// Ends the ejection of the target and the unhealthy condition of its endpoint, which is then unknown, and clears their
    /// counts of failures. Latencies stay.
    pub fn reset(&self, now: Instant) {
        self.target.endpoint.change(|state| state.reset(now));
        self.target.change(|health| health.passive.reset(now));
    }

    /// Records a successful call with the time to its first output, or to the whole answer of an unstreamed call.
    pub fn record_success(&self, first_output: Duration, now: Instant) {
        let TargetHealth { config, passive, .. } = &mut *self.target.state.lock();
        passive.record_first_output(first_output, now);
        passive.record_success(decay(config), now);
        self.target.endpoint.record_success(now);
    }

    /// Records the first output of a stream, with the time that it took. Record its end too: [`record_end`](Self::record_end)
    /// or [`record_failure`](Self::record_failure).
    pub fn record_first_output(&self, took: Duration, now: Instant) {
        self.target.state.lock().passive.record_first_output(took, now);
        self.target.endpoint.record_success(now);
    }

    /// Records the end of a stream that did not fail.
    pub fn record_end(&self, now: Instant) {
        let TargetHealth { config, passive, .. } = &mut *self.target.state.lock();
        passive.record_success(decay(config), now);
    }

    /// Records the time that an answer of `tokens` tokens took. Answers of fewer than 8 tokens are ignored, because
    /// their time is dominated by overhead.
    pub fn record_throughput(&self, tokens: u64, took: Duration, now: Instant) {
        if tokens >= 8 {
            #[expect(clippy::cast_precision_loss, reason = "no answer has 2^52 tokens")]
            let per_token = took.as_secs_f64() / tokens as f64;
            self.target.state.lock().passive.seconds_per_token.record(per_token, now);
        }
    }

    /// Records a failed call with a reason for display.
    ///
    /// Do not record failures that are unrelated to the target, such as an invalid request of the caller.
    pub fn record_failure(&self, origin: Origin, reason: impl Into<Arc<str>>, now: Instant) {
        {
            let TargetHealth { config, passive, .. } = &mut *self.target.state.lock();
            passive.record_failure(origin, reason.into(), now, &config.ramp);
        }
        self.judge(now);
    }

    /// Returns the eligibility of the target by its own health, without panic mode.
    pub fn own_eligibility(&self, now: Instant) -> Eligibility {
        if self.target.endpoint.is_unhealthy.load(Ordering::Acquire) {
            let endpoint = self.target.endpoint.state.lock();
            if endpoint.condition(now) == Condition::Unhealthy {
                let left = endpoint.unhealthy_for(now);
                return Eligibility::unusable(Skip::Unhealthy, Some(left));
            }
        }
        if !self.target.has_ejection.load(Ordering::Acquire) {
            return Eligibility::usable();
        }
        let state = self.target.state.lock();
        if let Some(left) = state.passive.ejected_for(now) {
            return Eligibility::unusable(Skip::Ejected, Some(left));
        }
        let weight = state.passive.share(&state.config.ramp, now);
        Eligibility { weight, ..Eligibility::usable() }
    }

    /// Returns the eligibility of the target by its own health; full while its group is in panic mode.
    pub fn eligibility(&self, now: Instant) -> Eligibility {
        let own = self.own_eligibility(now);
        if own.is_usable() {
            return own;
        }
        let peers = self.fleet.peers(&self.target);
        let healthy = peers.iter().filter(|peer| peer.own_eligibility(now).is_usable()).count();
        let state = self.target.state.lock();
        let panic = state.panic.update(&state.config.panic, healthy, peers.len());
        if panic { Eligibility::usable() } else { own }
    }

    /// Returns the condition of the endpoint by its health checks.
    pub fn condition(&self, now: Instant) -> Condition {
        self.target.endpoint.state.lock().condition(now)
    }

    /// Returns the latency of recent calls to their first output; `None` before the first.
    pub fn latency(&self, now: Instant) -> Option<Latency> {
        self.target.state.lock().passive.latency(now)
    }

    /// Returns the status of the target, for display.
    pub fn status(&self, now: Instant) -> Status {
        let eligibility = self.eligibility(now);
        let panic = eligibility.is_usable() && !self.own_eligibility(now).is_usable();
        let ago = |when: Instant| now.saturating_duration_since(when);
        let (condition, last_check) = {
            let endpoint = self.target.endpoint.state.lock();
            let last =
                endpoint.last().map(|(when, result)| LastCheck { ago: ago(*when), result: result.clone() });
            (endpoint.condition(now), last)
        };
        let TargetHealth { passive, .. } = &mut *self.target.state.lock();
        let counts = passive.counts(now);
        Status {
            name: Arc::clone(&self.target.name),
            endpoint: Arc::clone(&self.target.endpoint.name),
            condition,
            eligibility,
            panic,
            calls: counts.calls,
            failed: counts.failed,
            errors: passive.errors,
            consecutive_failures: passive.consecutive_failures,
            latency: passive.latency(now),
            tokens_per_second: passive
                .seconds_per_token
                .last()
                .filter(|seconds| *seconds > 0.0)
                .map(f64::recip),
            last_check,
            last_error: passive.last_error.as_ref().map(|(when, reason)| (Arc::clone(reason), ago(*when))),
        }
    }

    /// Ejects the target if it is an outlier among its peers, or by its error count.
    fn judge(&self, now: Instant) {
        let _guard = self.fleet.shared.judging.lock();
        let (config, own, errors) = {
            let TargetHealth { config, passive, .. } = &*self.target.state.lock();
            if passive.ejected_for(now).is_some() {
                return;
            }
            (config.clone(), passive.counts(now), passive.errors)
        };
        let (mut others, mut ejected) = (Vec::new(), 0);
        for peer in self.fleet.peers(&self.target) {
            if !Arc::ptr_eq(&peer.target, &self.target) {
                let TargetHealth { passive, .. } = &*peer.target.state.lock();
                others.push(passive.counts(now));
                ejected += usize::from(passive.ejected_for(now).is_some());
            }
        }
        let by_errors = config.errors.as_ref().filter(|limit| errors >= limit.limit);
        let outlier = outlier::is_outlier(&config.outlier, own, &others, ejected);
        if (by_errors.is_none() && !outlier) || self.fleet.is_local_outage(now) {
            return;
        }
        let random = self.fleet.random();
        self.target.change(|TargetHealth { passive, .. }| match by_errors {
            Some(errors) => passive.eject_for(errors.recovery, 1, now),
            None => passive.eject(&config, now, random),
        });
    }
}

impl Target {
    fn change(&self, change: impl FnOnce(&mut TargetHealth)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.has_ejection.store(state.passive.has_ejection(), Ordering::Release);
    }
}

fn decay(config: &HealthConfig) -> Decay {
    config.errors.as_ref().map_or_else(Decay::default, |errors| errors.decay)
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
