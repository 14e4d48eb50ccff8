//! Breakers by provider and model, and the state of a provider derived from its models.

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
    state::{RejectReason, Rejected, State, Transition, TransitionListener},
};

/// The capacity of a registry, and the threshold for opening a whole provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Maximum number of circuits, 1 to 1,000,000. Beyond it the least recently used circuit is evicted, but never one
    /// that is not closed or has outstanding permits. Defaults to 10,000.
    pub capacity: usize,
    /// Minimum number of known models before the provider can open as a whole. Defaults to 3.
    pub least_models: usize,
    /// Share of open models, above 0 and at most 1, at which the provider opens as a whole. Defaults to 0.6.
    pub open_share: f64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { capacity: 10_000, least_models: 3, open_share: 0.6 }
    }
}

/// Circuits by provider and model.
///
/// A provider is one account: a base URL and a key. Report problems of the key with [`Circuit::suspend`] and all other
/// failures to the breaker of the model. While most models of a provider are open, calls to its other models are rejected
/// too, until the first of the open ones may be probed.
///
/// Cloning is cheap, and all clones share one state.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use fb_breaker::{BreakerConfig, RejectReason, Registry, RegistryConfig};
///
/// let registry = Registry::new(RegistryConfig::default(), Instant::now)?;
/// let small = registry.circuit("openai", "small", &BreakerConfig::default())?;
/// let large = registry.circuit("openai", "large", &BreakerConfig::default())?;
///
/// small.try_acquire(Instant::now())?.success(Instant::now());
/// small.suspend(Some(Duration::from_secs(60)), Instant::now()); // the key is rate limited
/// let rejected = large.try_acquire(Instant::now()).unwrap_err();
/// assert_eq!(rejected.reason, RejectReason::ProviderSuspended);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    config: RegistryConfig,
    now: fn() -> Instant,
    table: Mutex<Table>,
    /// Counts the lookups; the least recently used circuit has the lowest number.
    lookups: AtomicU64,
}

#[derive(Default)]
struct Table {
    circuits: HashMap<(Arc<str>, Arc<str>), Circuit>,
    providers: HashMap<Arc<str>, Arc<Provider>>,
    listener: Option<CircuitListener>,
}

/// A callback for the transitions of all circuits of a registry, called with provider, model and transition.
///
/// The rules of [`TransitionListener`] apply.
pub type CircuitListener = Arc<dyn Fn(&str, &str, &Transition) + Send + Sync>;

/// The shared state of the models of one provider.
struct Provider {
    models: Mutex<Vec<Breaker>>,
    /// Set if most models may be open; clear if they certainly are not.
    maybe_open: AtomicBool,
    suspension: Mutex<Option<Suspension>>,
}

#[derive(Clone, Copy)]
enum Suspension {
    Until(Instant),
    Indefinite,
}

/// The breaker of one model, combined with the state of its provider.
///
/// Cloning is cheap, and all clones share one state.
#[derive(Clone)]
pub struct Circuit {
    breaker: Breaker,
    provider: Arc<Provider>,
    config: RegistryConfig,
    last_used: Arc<AtomicU64>,
}

impl Registry {
    /// Creates an empty registry. As for [`Breaker::new`], `now` is only used for permits that are dropped.
    ///
    /// # Errors
    /// [`InvalidConfig`], naming the first invalid field of `config`.
    pub fn new(config: RegistryConfig, now: fn() -> Instant) -> Result<Self, InvalidConfig> {
        let check = |valid: bool, field, value: String, expected| {
            if valid { Ok(()) } else { Err(InvalidConfig { field, value, expected }) }
        };
        let RegistryConfig { capacity, least_models, open_share } = &config;
        check((1..=1_000_000).contains(capacity), "capacity", capacity.to_string(), "1 to 1000000")?;
        check(*least_models >= 1, "least_models", least_models.to_string(), "at least 1")?;
        let share = *open_share > 0.0 && *open_share <= 1.0;
        check(share, "open_share", open_share.to_string(), "above 0 and at most 1")?;
        let shared = Shared { config, now, table: Mutex::default(), lookups: AtomicU64::new(0) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sets the listener for transitions of circuits created from now on, replacing any previous one.
    #[must_use]
    pub fn with_listener(self, listener: CircuitListener) -> Self {
        self.shared.table.lock().listener = Some(listener);
        self
    }

    /// Returns the circuit of a model, creating it with `config` if there is none.
    ///
    /// If the registry is full and all its circuits are open or in use, the returned circuit is not stored.
    ///
    /// # Errors
    /// [`InvalidConfig`], naming the first invalid field of `config`.
    pub fn circuit(
        &self,
        provider: &str,
        model: &str,
        config: &BreakerConfig,
    ) -> Result<Circuit, InvalidConfig> {
        let shared = &self.shared;
        let lookup = shared.lookups.fetch_add(1, Ordering::Relaxed);
        let mut table = shared.table.lock();
        let name = (Arc::<str>::from(provider), Arc::<str>::from(model));
        if let Some(known) = table.circuits.get(&name) {
            known.last_used.store(lookup, Ordering::Relaxed);
            return Ok(known.clone());
        }
        let breaker = Breaker::new(config.clone(), shared.now)?;
        let provider = Arc::clone(table.providers.entry(Arc::clone(&name.0)).or_default());
        let listener = listener(&provider, &shared.config, table.listener.clone(), &name);
        let breaker = breaker.with_listener(listener);
        let circuit = Circuit {
            breaker: breaker.clone(),
            provider: Arc::clone(&provider),
            config: shared.config.clone(),
            last_used: Arc::new(AtomicU64::new(lookup)),
        };
        if table.circuits.len() >= shared.config.capacity && !table.evict_one((shared.now)()) {
            return Ok(circuit);
        }
        // The eviction may have removed the last other model of the provider, and the provider with it.
        table.providers.entry(Arc::clone(&name.0)).or_insert_with(|| Arc::clone(&provider));
        provider.models.lock().push(breaker);
        table.circuits.insert(name, circuit.clone());
        Ok(circuit)
    }

    /// Removes the circuit of a model and returns it. Its permits stay valid, but its transitions are no longer reported and
    /// no longer count for the provider.
    pub fn remove(&self, provider: &str, model: &str) -> Option<Circuit> {
        let mut table = self.shared.table.lock();
        let removed = table.remove(&(provider.into(), model.into()))?;
        drop(table);
        removed.breaker.remove_listener();
        removed.provider.update(&self.shared.config);
        Some(removed)
    }

    /// Replaces the configuration of a model's circuit. The new circuit begins in the state of the old one: an open breaker
    /// stays open for the time that was left, and an override stays. The counts of a closed breaker begin anew.
    ///
    /// # Errors
    /// [`InvalidConfig`], naming the first invalid field of `config`; the circuit is then unchanged.
    pub fn reconfigure(
        &self,
        provider: &str,
        model: &str,
        config: &BreakerConfig,
        now: Instant,
    ) -> Result<Circuit, InvalidConfig> {
        config.validate()?;
        let old = self.remove(provider, model);
        let circuit = self.circuit(provider, model, config)?;
        if let Some(old) = old {
            circuit.breaker.restore(&old.breaker.snapshot(now), now);
            circuit.provider.update(&self.shared.config);
        }
        Ok(circuit)
    }

    /// Returns those of the given models that may be called now, in the given order, without using a probe. An unknown model
    /// may be called.
    pub fn available<'a>(
        &self,
        names: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Instant,
    ) -> Vec<(&'a str, &'a str)> {
        let table = self.shared.table.lock();
        let known = |name: &(&str, &str)| table.circuits.get(&(name.0.into(), name.1.into()));
        names.into_iter().filter(|name| known(name).is_none_or(|circuit| circuit.peek(now).is_ok())).collect()
    }

    /// Returns the snapshots of all circuits that differ from a new one, sorted by provider and model.
    pub fn snapshot(&self, now: Instant) -> Vec<(String, String, Snapshot)> {
        let circuits = self.shared.table.lock().circuits.clone();
        let snapshots = circuits.into_iter().filter_map(|((provider, model), circuit)| {
            let snapshot = circuit.breaker.snapshot(now);
            let is_new = snapshot.open_for.is_none() && snapshot.escalation == 0 && snapshot.forced.is_none();
            (!is_new).then(|| (provider.to_string(), model.to_string(), snapshot))
        });
        let mut snapshots: Vec<_> = snapshots.collect();
        snapshots.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        snapshots
    }

    /// Returns the number of stored circuits.
    pub fn len(&self) -> usize {
        self.shared.table.lock().circuits.len()
    }

    /// Returns `true` if no circuit is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Creates a listener that updates the provider and forwards the transition.
fn listener(
    provider: &Arc<Provider>,
    config: &RegistryConfig,
    forward: Option<CircuitListener>,
    name: &(Arc<str>, Arc<str>),
) -> TransitionListener {
    // Weak, because a breaker and its provider would otherwise keep each other alive.
    let (provider, config, name) = (Arc::downgrade(provider), config.clone(), name.clone());
    Arc::new(move |transition| {
        if let Some(provider) = provider.upgrade() {
            provider.update(&config);
        }
        if let Some(forward) = &forward {
            forward(&name.0, &name.1, transition);
        }
    })
}

impl Table {
    /// Evicts the least recently used circuit among the idle ones. Returns `false` if there is none.
    fn evict_one(&mut self, now: Instant) -> bool {
        let idle = |circuit: &Circuit| circuit.breaker.is_idle(now);
        let candidates = self.circuits.iter().filter(|(_, circuit)| idle(circuit));
        let oldest = candidates.min_by_key(|(_, circuit)| circuit.last_used.load(Ordering::Relaxed));
        let Some(name) = oldest.map(|(name, _)| name.clone()) else { return false };
        self.remove(&name).is_some()
    }

    /// Removes a circuit, and its provider if that has no other models and is not suspended.
    fn remove(&mut self, name: &(Arc<str>, Arc<str>)) -> Option<Circuit> {
        let removed = self.circuits.remove(name)?;
        {
            let mut models = removed.provider.models.lock();
            models.retain(|model| !model.ptr_eq(&removed.breaker));
            if models.is_empty() && removed.provider.suspension.lock().is_none() {
                self.providers.remove(&name.0);
            }
        }
        Some(removed)
    }
}

impl RegistryConfig {
    #[expect(clippy::cast_precision_loss, reason = "a provider has few models")]
    fn is_provider_open(&self, open: usize, models: usize) -> bool {
        models >= self.least_models && open as f64 >= self.open_share * models as f64
    }
}

impl Default for Provider {
    fn default() -> Self {
        Self { models: Mutex::default(), maybe_open: AtomicBool::new(false), suspension: Mutex::default() }
    }
}

impl Provider {
    /// Notes whether most models may be open, after a change of one of them.
    fn update(&self, config: &RegistryConfig) {
        let models = self.models.lock().clone();
        let not_closed = models.iter().filter(|model| !model.is_closed()).count();
        self.maybe_open.store(config.is_provider_open(not_closed, models.len()), Ordering::Relaxed);
    }

    /// Returns the rejection that applies to all models of the provider, if there is one.
    fn rejection(&self, config: &RegistryConfig, now: Instant) -> Option<Rejected> {
        let reject = |reason, retry_after| Some(Rejected { retry_after, reason });
        match *self.suspension.lock() {
            Some(Suspension::Indefinite) => return reject(RejectReason::ProviderSuspended, Duration::MAX),
            Some(Suspension::Until(until)) if until > now => {
                return reject(RejectReason::ProviderSuspended, until.saturating_duration_since(now));
            }
            Some(Suspension::Until(_)) | None => {}
        }
        // The common case only reads a flag.
        if !self.maybe_open.load(Ordering::Relaxed) {
            return None;
        }
        let models = self.models.lock();
        let remaining = models.iter().filter_map(|model| match model.state(now) {
            State::Open { reopens_in } if !reopens_in.is_zero() => Some(reopens_in),
            _ => None,
        });
        let remaining: Vec<Duration> = remaining.collect();
        let open = config.is_provider_open(remaining.len(), models.len());
        open.then(|| remaining.into_iter().min())?
            .and_then(|soonest| reject(RejectReason::ProviderOpen, soonest))
    }
}

impl Circuit {
    /// Returns the breaker of the model.
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Admits or rejects a call, as [`Breaker::try_acquire`], considering the provider as well.
    ///
    /// # Errors
    /// [`Rejected`] while the provider is suspended, while most of its models are open and this one is closed, or if the
    /// breaker of the model rejects the call.
    pub fn try_acquire(&self, now: Instant) -> Result<Permit, Rejected> {
        self.check_provider(now)?;
        self.breaker.try_acquire(now)
    }

    /// Returns the result that [`try_acquire`](Self::try_acquire) would have, without changing anything.
    ///
    /// # Errors
    /// As for `try_acquire`.
    pub fn peek(&self, now: Instant) -> Result<(), Rejected> {
        self.check_provider(now)?;
        self.breaker.peek(now)
    }

    /// Suspends all models of the provider for the given time, or until [`resume`](Self::resume) if `None`.
    ///
    /// Use it for problems of the account, such as a rejected key or used-up credit. A longer suspension is not shortened.
    pub fn suspend(&self, time: Option<Duration>, now: Instant) {
        let mut suspension = self.provider.suspension.lock();
        *suspension = match (*suspension, time.and_then(|time| now.checked_add(time))) {
            (Some(Suspension::Indefinite), _) | (_, None) => Some(Suspension::Indefinite),
            (Some(Suspension::Until(a)), Some(b)) => Some(Suspension::Until(a.max(b))),
            (None, Some(until)) => Some(Suspension::Until(until)),
        };
    }

    /// Ends the suspension of the provider.
    pub fn resume(&self) {
        *self.provider.suspension.lock() = None;
    }

    /// Checks the state of the provider. A model that is not closed passes while its provider is open, so that its probes
    /// can detect the recovery.
    fn check_provider(&self, now: Instant) -> Result<(), Rejected> {
        match self.provider.rejection(&self.config, now) {
            Some(rejected) if rejected.reason == RejectReason::ProviderSuspended => Err(rejected),
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
