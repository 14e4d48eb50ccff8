//! Many breakers: one for every model of every provider, and what several of one provider say together.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    breaker::Breaker,
    config::{BreakerConfig, InvalidConfig},
    permit::Permit,
    snapshot::Snapshot,
    state::{Listener, RejectReason, Rejected, State, Transition},
};

/// How many circuits a registry keeps, and when a provider is open as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Circuits kept, 1 to 1,000,000; 10,000. Beyond it the one that was asked for longest ago is forgotten, but never
    /// one that is not closed or has a permit out.
    pub capacity: usize,
    /// Models of a provider that must be known before they speak for all; 3.
    pub least_models: usize,
    /// Share of them, above 0 and at most 1, whose breakers are open, that opens the provider; 0.6.
    pub open_share: f64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { capacity: 10_000, least_models: 3, open_share: 0.6 }
    }
}

/// Circuits by provider and model. A provider is one account: a base URL and a key. What is wrong with its key is told
/// to the [provider](Circuit::shut), everything else to the model's own breaker; when most models of a provider are open,
/// the others are not called either until the first of them reopens.
///
/// A clone is the same registry.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    config: RegistryConfig,
    now: fn() -> Instant,
    table: Mutex<Table>,
    /// Counts the askings, to know who was asked for longest ago.
    asked: AtomicU64,
}

#[derive(Default)]
struct Table {
    circuits: HashMap<(Arc<str>, Arc<str>), Circuit>,
    providers: HashMap<Arc<str>, Arc<Provider>>,
    listener: Option<Heard>,
}

/// Hears of the transitions of every circuit of a registry: the provider, the model and the transition. As a
/// [`Listener`] otherwise.
pub type Heard = Arc<dyn Fn(&str, &str, &Transition) + Send + Sync>;

/// What the models of one provider share.
struct Provider {
    models: Mutex<Vec<Breaker>>,
    /// Perhaps most models are open; not set, they are certainly not.
    suspect: AtomicBool,
    shut: Mutex<Option<Shut>>,
}

#[derive(Clone, Copy)]
enum Shut {
    Until(Instant),
    ForGood,
}

/// The breaker of one model of one provider, within what is known of the provider. A clone is the same circuit.
#[derive(Clone)]
pub struct Circuit {
    breaker: Breaker,
    provider: Arc<Provider>,
    config: RegistryConfig,
    asked: Arc<AtomicU64>,
}

impl Registry {
    /// An empty registry. As for [`Breaker::new`], `now` is only for permits that are dropped.
    ///
    /// # Errors
    /// Names the first field of `config` with which nothing could work.
    pub fn new(config: RegistryConfig, now: fn() -> Instant) -> Result<Self, InvalidConfig> {
        let check = |holds: bool, field, value: String, expected| {
            if holds { Ok(()) } else { Err(InvalidConfig { field, value, expected }) }
        };
        let RegistryConfig { capacity, least_models, open_share } = &config;
        check((1..=1_000_000).contains(capacity), "capacity", capacity.to_string(), "1 to 1000000")?;
        check(*least_models >= 1, "least_models", least_models.to_string(), "at least 1")?;
        let share = *open_share > 0.0 && *open_share <= 1.0;
        check(share, "open_share", open_share.to_string(), "above 0 and at most 1")?;
        let shared = Shared { config, now, table: Mutex::default(), asked: AtomicU64::new(0) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sets who hears of the transitions of circuits made from now on.
    #[must_use]
    pub fn with_listener(self, listener: Heard) -> Self {
        self.shared.table.lock().listener = Some(listener);
        self
    }

    /// The circuit of a model; made with `config` when there is none.
    ///
    /// A registry that is full of circuits that are all open or in use gives one that it does not keep.
    ///
    /// # Errors
    /// Names the first field of `config` with which no breaker could work.
    pub fn circuit(
        &self,
        provider: &str,
        model: &str,
        config: &BreakerConfig,
    ) -> Result<Circuit, InvalidConfig> {
        let shared = &self.shared;
        let turn = shared.asked.fetch_add(1, Ordering::Relaxed);
        let mut table = shared.table.lock();
        let name = (Arc::<str>::from(provider), Arc::<str>::from(model));
        if let Some(known) = table.circuits.get(&name) {
            known.asked.store(turn, Ordering::Relaxed);
            return Ok(known.clone());
        }
        let breaker = Breaker::new(config.clone(), shared.now)?;
        let shared_by = Arc::clone(table.providers.entry(Arc::clone(&name.0)).or_default());
        let listener = listener(&shared_by, &shared.config, table.listener.clone(), &name);
        let breaker = breaker.with_listener(listener);
        let circuit = Circuit {
            breaker: breaker.clone(),
            provider: Arc::clone(&shared_by),
            config: shared.config.clone(),
            asked: Arc::new(AtomicU64::new(turn)),
        };
        if table.circuits.len() >= shared.config.capacity && !table.forget_one((shared.now)()) {
            return Ok(circuit);
        }
        // Forgetting may have taken the last other model of the provider, and the provider with it.
        table.providers.entry(Arc::clone(&name.0)).or_insert_with(|| Arc::clone(&shared_by));
        shared_by.models.lock().push(breaker);
        table.circuits.insert(name, circuit.clone());
        Ok(circuit)
    }

    /// Which of these could be called now, in the order given; takes no probe. One that is not known could.
    pub fn available<'a>(
        &self,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Instant,
    ) -> Vec<(&'a str, &'a str)> {
        let table = self.shared.table.lock();
        let known = |name: &(&str, &str)| table.circuits.get(&(name.0.into(), name.1.into()));
        names.into_iter().filter(|name| known(name).is_none_or(|one| one.peek(now).is_ok())).collect()
    }

    /// What is worth keeping over a restart, of every circuit that is not as new, by provider and model.
    pub fn snapshot(&self, now: Instant) -> Vec<(String, String, Snapshot)> {
        let circuits = self.shared.table.lock().circuits.clone();
        let kept = circuits.into_iter().filter_map(|((provider, model), circuit)| {
            let snapshot = circuit.breaker.snapshot(now);
            let new = snapshot.open_for.is_none() && snapshot.escalation == 0 && snapshot.forced.is_none();
            (!new).then(|| (provider.to_string(), model.to_string(), snapshot))
        });
        let mut kept: Vec<_> = kept.collect();
        kept.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        kept
    }

    /// Circuits kept.
    pub fn len(&self) -> usize {
        self.shared.table.lock().circuits.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Marks the provider as suspect when most of its models are not closed, and passes the transition on.
fn listener(
    provider: &Arc<Provider>,
    config: &RegistryConfig,
    heard: Option<Heard>,
    name: &(Arc<str>, Arc<str>),
) -> Listener {
    // Weak, or a breaker would keep its provider, which keeps the breaker.
    let (provider, config, name) = (Arc::downgrade(provider), config.clone(), name.clone());
    Arc::new(move |transition| {
        if let Some(provider) = provider.upgrade() {
            let models = provider.models.lock().clone();
            let troubled = models.iter().filter(|model| !model.is_closed()).count();
            provider.suspect.store(config.speaks_for_all(troubled, models.len()), Ordering::Relaxed);
        }
        if let Some(heard) = &heard {
            heard(&name.0, &name.1, transition);
        }
    })
}

impl Table {
    /// Forgets the circuit that was asked for longest ago among those that are as good as new.
    fn forget_one(&mut self, now: Instant) -> bool {
        let idle = |circuit: &Circuit| circuit.breaker.is_idle(now);
        let eldest = self.circuits.iter().filter(|(_, circuit)| idle(circuit));
        let eldest = eldest.min_by_key(|(_, circuit)| circuit.asked.load(Ordering::Relaxed));
        let Some(name) = eldest.map(|(name, _)| name.clone()) else { return false };
        if let Some(gone) = self.circuits.remove(&name) {
            let mut models = gone.provider.models.lock();
            models.retain(|model| !model.is(&gone.breaker));
            if models.is_empty() && gone.provider.shut.lock().is_none() {
                self.providers.remove(&name.0);
            }
        }
        true
    }
}

impl RegistryConfig {
    #[expect(clippy::cast_precision_loss, reason = "a provider has few models")]
    fn speaks_for_all(&self, open: usize, models: usize) -> bool {
        models >= self.least_models && open as f64 >= self.open_share * models as f64
    }
}

impl Default for Provider {
    fn default() -> Self {
        Self { models: Mutex::default(), suspect: AtomicBool::new(false), shut: Mutex::default() }
    }
}

impl Provider {
    /// Why no model of the provider is called now, whatever its own breaker says.
    fn refuses(&self, config: &RegistryConfig, now: Instant) -> Option<Rejected> {
        let refuse = |reason, retry_after| Some(Rejected { retry_after, reason });
        match *self.shut.lock() {
            Some(Shut::ForGood) => return refuse(RejectReason::ProviderShut, Duration::MAX),
            Some(Shut::Until(until)) if until > now => {
                return refuse(RejectReason::ProviderShut, until.saturating_duration_since(now));
            }
            Some(Shut::Until(_)) | None => {}
        }
        // The common case takes one look, at a flag.
        if !self.suspect.load(Ordering::Relaxed) {
            return None;
        }
        let models = self.models.lock();
        let left = models.iter().filter_map(|model| match model.state(now) {
            State::Open { reopens_in } if !reopens_in.is_zero() => Some(reopens_in),
            _ => None,
        });
        let left: Vec<Duration> = left.collect();
        let open = config.speaks_for_all(left.len(), models.len());
        open.then(|| left.into_iter().min())?.and_then(|soonest| refuse(RejectReason::ProviderOpen, soonest))
    }
}

impl Circuit {
    /// The model's own breaker.
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Asks to make a call, as [`Breaker::try_acquire`] within what is known of the provider.
    ///
    /// # Errors
    /// While the provider is shut, or most of its models are open and this is not one whose time has come, or its own
    /// breaker rejects.
    pub fn try_acquire(&self, now: Instant) -> Result<Permit, Rejected> {
        self.passes(now)?;
        self.breaker.try_acquire(now)
    }

    /// What [`try_acquire`](Self::try_acquire) would answer, without taking or changing anything.
    ///
    /// # Errors
    /// As `try_acquire`.
    pub fn peek(&self, now: Instant) -> Result<(), Rejected> {
        self.passes(now)?;
        self.breaker.peek(now)
    }

    /// No model of the provider is called for so long, or for good with `None`: its key was rejected, its credit is
    /// used up. A longer time is not shortened.
    pub fn shut(&self, time: Option<Duration>, now: Instant) {
        let mut shut = self.provider.shut.lock();
        *shut = match (*shut, time.and_then(|time| now.checked_add(time))) {
            (Some(Shut::ForGood), _) | (_, None) => Some(Shut::ForGood),
            (Some(Shut::Until(one)), Some(other)) => Some(Shut::Until(one.max(other))),
            (None, Some(until)) => Some(Shut::Until(until)),
        };
    }

    /// The provider is called again: its key was changed.
    pub fn unshut(&self) {
        *self.provider.shut.lock() = None;
    }

    /// A model that is being probed, or may be, finds out for all.
    fn passes(&self, now: Instant) -> Result<(), Rejected> {
        match self.provider.refuses(&self.config, now) {
            Some(rejected) if rejected.reason == RejectReason::ProviderShut => Err(rejected),
            Some(rejected) if self.breaker.is_closed() => Err(rejected),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("circuits", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
