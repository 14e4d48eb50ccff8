//! Breakers by provider and model, and suspensions of whole providers.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    breaker::Breaker,
    config::{BreakerConfig, InvalidConfig},
    permit::Permit,
    snapshot::Snapshot,
    state::{RejectReason, Rejected, Transition, TransitionListener},
};

/// The capacity of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RegistryConfig {
    /// Maximum number of circuits, 1 to 1,000,000. Beyond it the least recently used circuit is evicted, but never one
    /// that is not closed or has outstanding permits. Defaults to 10,000.
    pub capacity: usize,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self { capacity: 10_000 }
    }
}

/// Circuits by provider and model.
///
/// A provider is one account: a base URL and a key. Report problems of the key with [`Circuit::suspend`] and all other
/// failures to the breaker of the model, since the models of one provider fail on their own. For failures that concern all
/// of them, such as an unreachable host, use one more circuit under a name that no model has.
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
#[derive(Default)]
struct Provider {
    suspension: Mutex<Option<Suspension>>,
}

#[derive(Clone, Copy)]
enum Suspension {
    Until(Instant),
    Indefinite,
}

/// The breaker of one model, combined with the suspension of its provider.
///
/// Cloning is cheap, and all clones share one state.
#[derive(Clone)]
pub struct Circuit {
    breaker: Breaker,
    provider: Arc<Provider>,
    last_used: Arc<AtomicU64>,
}

impl Registry {
    /// Creates an empty registry. As for [`Breaker::new`], `now` is only used for permits that are dropped.
    ///
    /// # Errors
    /// [`InvalidConfig`], naming the first invalid field of `config`.
    pub fn new(config: RegistryConfig, now: fn() -> Instant) -> Result<Self, InvalidConfig> {
        let RegistryConfig { capacity } = &config;
        if !(1..=1_000_000).contains(capacity) {
            let (field, value) = ("capacity", capacity.to_string());
            return Err(InvalidConfig { field, value, expected: "1 to 1000000" });
        }
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
        let breaker = match &table.listener {
            Some(forward) => breaker.with_listener(listener(Arc::clone(forward), &name)),
            None => breaker,
        };
        let circuit =
            Circuit { breaker, provider: Arc::clone(&provider), last_used: Arc::new(AtomicU64::new(lookup)) };
        if table.circuits.len() >= shared.config.capacity && !table.evict_one((shared.now)()) {
            return Ok(circuit);
        }
        // The eviction may have removed the last other model of the provider, and the provider with it.
        table.providers.entry(Arc::clone(&name.0)).or_insert_with(|| Arc::clone(&provider));
        table.circuits.insert(name, circuit.clone());
        Ok(circuit)
    }

    /// Removes the circuit of a model and returns it. Its permits stay valid, but its transitions are no longer reported.
    pub fn remove(&self, provider: &str, model: &str) -> Option<Circuit> {
        let mut table = self.shared.table.lock();
        let removed = table.remove(&(provider.into(), model.into()))?;
        drop(table);
        removed.breaker.remove_listener();
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

/// Creates a listener that forwards the transitions of one circuit.
fn listener(forward: CircuitListener, name: &(Arc<str>, Arc<str>)) -> TransitionListener {
    let name = name.clone();
    Arc::new(move |transition| forward(&name.0, &name.1, transition))
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
        let has_others = self.circuits.keys().any(|(provider, _)| *provider == name.0);
        if !has_others && removed.provider.suspension.lock().is_none() {
            self.providers.remove(&name.0);
        }
        Some(removed)
    }
}

impl Circuit {
    /// Returns the breaker of the model.
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Admits or rejects a call, as [`Breaker::try_acquire`], considering the suspension of the provider as well.
    ///
    /// # Errors
    /// [`Rejected`] while the provider is suspended, or if the breaker of the model rejects the call.
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

    /// Checks that the provider is not suspended.
    fn check_provider(&self, now: Instant) -> Result<(), Rejected> {
        let retry_after = match *self.provider.suspension.lock() {
            Some(Suspension::Indefinite) => Duration::MAX,
            Some(Suspension::Until(until)) if until > now => until.saturating_duration_since(now),
            Some(Suspension::Until(_)) | None => return Ok(()),
        };
        Err(Rejected { retry_after, reason: RejectReason::ProviderSuspended })
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

crate::with::with_changes!(RegistryConfig);

#[cfg(test)]
mod tests;
