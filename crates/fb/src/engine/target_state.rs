//! The state of a target at run time, shared by all routes that name it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use fb_breaker::{Breaker, BreakerConfig, Circuit, State};
use fb_core::{Cooldown, Eligibility, Failure, FailureKind, Provider, Skip, TargetId, Verdict};
use fb_health::{Member, Origin};
use fb_quality::{Score, rank_penalty};
use fb_retry::RetryBudget;
use parking_lot::Mutex;

use super::{
    key_ring::{AccountKeys, KeyRing, KeyUse},
    keys::KeyRest,
    permits::Permits,
    suspicion::Suspicion,
    trials::{Trials, Turn},
};
use crate::{mechanisms::Mechanisms, stats::TargetCounters};

/// The cool-down after a failure that only the operator can repair, where the provider gives no time.
const LONG_COOL_DOWN: Duration = Duration::from_secs(300);

/// A target at run time: its provider, breaker, health and history.
pub(crate) struct TargetState {
    id: TargetId,
    pub(super) settings: TargetSettings,
    circuit: Circuit,
    /// The circuit of the whole provider, which its targets share.
    provider_circuit: Circuit,
    pub(crate) health: Member,
    provider_state: Arc<ProviderState>,
    pub(super) keys: KeyRing,
    history: Arc<TargetHistory>,
}

/// The settings of a target that all routes share. A target with other settings is another [`TargetState`] with the same
/// history.
#[derive(Clone)]
pub(super) struct TargetSettings {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) mechanisms: Mechanisms,
    /// The configuration of the provider's circuit.
    pub(super) provider_breaker: BreakerConfig,
    /// The maximum number of concurrent calls; `None` for no limit.
    pub(super) max_in_flight: Option<u32>,
}

impl PartialEq for TargetSettings {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.provider, &other.provider)
            && self.mechanisms == other.mechanisms
            && self.provider_breaker == other.provider_breaker
            && self.max_in_flight == other.max_in_flight
    }
}

/// What is known of a target beside its breaker and its health: cool-down, concurrency, quality and counters.
#[derive(Default)]
struct TargetHistory {
    cooling_until: Mutex<Option<Instant>>,
    last_failure: Mutex<LastFailure>,
    suspicion: Mutex<Suspicion>,
    trials: Mutex<Trials>,
    counters: Mutex<TargetCounters>,
    in_flight: AtomicU32,
    quality: Mutex<Score>,
}

/// The latest failure that can make a target unavailable, and its time.
type LastFailure = Option<(Instant, Failure)>;

/// The state that all targets of one provider share: its account.
pub(super) struct ProviderState {
    last_failure: Mutex<LastFailure>,
    pub(super) keys: Arc<AccountKeys>,
    retry_budget: RetryBudget,
}

impl ProviderState {
    pub(super) fn new(provider: &dyn Provider, retry_budget: RetryBudget) -> Self {
        let keys = Arc::new(AccountKeys::new(provider));
        Self { last_failure: Mutex::default(), keys, retry_budget }
    }

    /// Returns the state of the same account with another retry budget.
    pub(super) fn with_retry_budget(&self, retry_budget: RetryBudget) -> Self {
        let last_failure = Mutex::new(self.last_failure.lock().clone());
        Self { last_failure, keys: Arc::clone(&self.keys), retry_budget }
    }
}

/// One concurrent call to a target. Dropping it frees the slot.
pub(crate) struct Slot(Arc<TargetHistory>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call to a target that rests. Dropping it allows the next one: at once if no call was made, else after a pause.
pub(crate) struct RestTrial {
    history: Arc<TargetHistory>,
    /// The turn before this one, until the call is made.
    before: Option<Turn>,
}

impl RestTrial {
    /// Records that the call is made.
    pub(super) const fn begin_call(&mut self) {
        self.before = None;
    }
}

impl Drop for RestTrial {
    fn drop(&mut self) {
        let mut trials = self.history.trials.lock();
        match self.before {
            Some(before) => trials.undo(before),
            None => trials.end(),
        }
    }
}

impl TargetState {
    /// Creates the state of a target without history.
    pub(super) fn new(
        id: TargetId,
        settings: TargetSettings,
        [circuit, provider_circuit]: [Circuit; 2],
        health: Member,
        provider_state: Arc<ProviderState>,
    ) -> Self {
        let history = Arc::default();
        let keys = KeyRing::new(Arc::clone(&settings.provider), Arc::clone(&provider_state.keys));
        Self { id, settings, circuit, provider_circuit, health, provider_state, keys, history }
    }

    /// Returns the state of the same target with other settings.
    pub(super) fn with_settings(
        &self,
        settings: TargetSettings,
        [circuit, provider_circuit]: [Circuit; 2],
        provider_state: Arc<ProviderState>,
    ) -> Self {
        let (health, history) = (self.health.clone(), Arc::clone(&self.history));
        let (id, provider) = (self.id.clone(), Arc::clone(&settings.provider));
        let keys = self.keys.with_account(provider, Arc::clone(&provider_state.keys));
        Self { id, settings, circuit, provider_circuit, health, provider_state, keys, history }
    }

    pub(crate) const fn id(&self) -> &TargetId {
        &self.id
    }

    pub(super) const fn provider(&self) -> &Arc<dyn Provider> {
        &self.settings.provider
    }

    pub(super) const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    pub(super) const fn breaker(&self) -> &Breaker {
        self.circuit.breaker()
    }

    /// Returns true if this is the state of the target's provider.
    pub(super) fn is_of(&self, provider_state: &Arc<ProviderState>) -> bool {
        Arc::ptr_eq(&self.provider_state, provider_state)
    }

    /// Returns the number of calls in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.history.in_flight.load(Ordering::Relaxed)
    }

    /// Returns the number of breaker permits that are not settled yet.
    pub(super) fn outstanding_permits(&self) -> u32 {
        self.breaker().outstanding()
    }

    /// Returns true if the breaker of the target or of its provider is not closed, so that it admits probes at most.
    pub(super) fn is_probing(&self, at: Instant) -> bool {
        [self.breaker(), self.provider_circuit.breaker()]
            .iter()
            .any(|breaker| breaker.state(at) != State::Closed)
    }

    /// Takes a slot for one call, unless the target is at capacity.
    pub(super) fn try_slot(&self) -> Option<Slot> {
        let before = self.history.in_flight.fetch_add(1, Ordering::Relaxed);
        // A refused slot is dropped, which takes back the call just added.
        let slot = Slot(Arc::clone(&self.history));
        self.settings.max_in_flight.is_none_or(|max| before < max).then_some(slot)
    }

    /// Returns true if the breaker of the target or that of its provider waits for the results of its probes.
    pub(super) fn is_half_open(&self, at: Instant) -> bool {
        let is_half_open = |circuit: &Circuit| circuit.breaker().state(at) == State::HalfOpen;
        is_half_open(&self.circuit) || is_half_open(&self.provider_circuit)
    }

    /// Checks if the breakers of the target and its provider would admit a call. The error has the time until they may.
    pub(super) fn peek(&self, at: Instant) -> Result<(), (Skip, Duration)> {
        let of_provider = || self.provider_circuit.peek(at).err().filter(|_| !self.is_overridden(at));
        match (self.circuit.peek(at).err(), of_provider()) {
            (None, None) => Ok(()),
            (None, Some(rejected)) => Err((Skip::ProviderOpen, rejected.retry_after)),
            (Some(rejected), provider) => {
                let later = provider.map_or(Duration::ZERO, |rejected| rejected.retry_after);
                Err((Skip::BreakerOpen, rejected.retry_after.max(later)))
            }
        }
    }

    /// Takes the permits of a call: those of the target's breaker and of its provider's. With `bypass` they are taken past
    /// open breakers.
    pub(super) fn try_acquire(&self, bypass: bool, at: Instant) -> Result<Permits, (Skip, Duration)> {
        let take = |circuit: &Circuit| {
            if bypass { circuit.breaker().try_bypass(at) } else { circuit.try_acquire(at) }
        };
        let provider = match take(&self.provider_circuit) {
            Ok(permit) => Some(Box::new(permit)),
            Err(_) if self.is_overridden(at) => None,
            Err(rejected) => {
                let skip =
                    if self.circuit.peek(at).is_err() { Skip::BreakerOpen } else { Skip::ProviderOpen };
                return Err((skip, rejected.retry_after));
            }
        };
        match take(&self.circuit) {
            Ok(target) => {
                Ok(Permits { target, provider, is_shared: self.settings.mechanisms.breaker.shared })
            }
            Err(rejected) => {
                if let Some(permit) = provider {
                    permit.neutral(at);
                }
                Err((Skip::BreakerOpen, rejected.retry_after))
            }
        }
    }

    /// Returns true if an operator decides which calls the target's breaker admits.
    fn is_overridden(&self, at: Instant) -> bool {
        self.breaker().forced(at).is_some()
    }

    /// Ends everything that keeps calls from the target: closes the breakers of the target and its provider, and ends the
    /// cool-downs of the target and of all keys of its provider, the rest of those that were rejected, which are read again, the
    /// ejection, the unhealthy condition of the provider, and the suspicion that every request fails.
    pub(super) async fn reset(&self, at: Instant) {
        for breaker in [self.breaker(), self.provider_circuit.breaker()] {
            breaker.lift();
            breaker.reset(at);
        }
        self.keys.reset().await;
        *self.history.cooling_until.lock() = None;
        self.history.trials.lock().clear();
        self.history.suspicion.lock().clear();
        self.health.reset(at);
    }

    /// Ends the cool-downs of the target and of a key: it answered before the time that it had named.
    pub(super) fn end_rest(&self, key: &KeyUse) {
        self.keys.end_rest(key);
        *self.history.cooling_until.lock() = None;
    }

    /// Returns true if a call to the target may begin while it rests.
    pub(super) fn may_begin_trial(&self, at: Instant) -> bool {
        self.history.trials.lock().may_begin(at)
    }

    /// Begins a call to the target while it rests, or returns the time until one may begin.
    pub(super) fn try_rest_trial(&self, at: Instant) -> Result<RestTrial, Duration> {
        let before = self.history.trials.lock().begin(at)?;
        Ok(RestTrial { history: Arc::clone(&self.history), before: Some(before) })
    }

    /// Returns the time left of the target's cool-down or until one of its keys is free, whichever ends later.
    pub(super) fn cooling(&self, at: Instant) -> Option<Duration> {
        self.cooling_with(self.keys.rest(at), at)
    }

    /// Returns the same, given the rest of the key that is free first.
    pub(super) fn cooling_with(&self, rest: Option<KeyRest>, at: Instant) -> Option<Duration> {
        let until = *self.history.cooling_until.lock();
        let own = until.and_then(|until| until.checked_duration_since(at)).filter(|left| !left.is_zero());
        own.max(rest.map(KeyRest::left))
    }

    /// Returns a failure with the time until one of several keys is free, if it concerns the key of its call.
    pub(super) fn with_key_hint(&self, failure: Failure, at: Instant) -> Failure {
        if !is_of_key(failure.kind()) || !self.keys.has_several() {
            return failure;
        }
        let left = self.cooling(at);
        failure.with_retry_after(left)
    }

    /// Returns true if a failure concerns the key of its call and another key can be used now.
    pub(super) fn has_other_key(&self, failure: &Failure, at: Instant) -> bool {
        is_of_key(failure.kind()) && self.keys.has_several() && self.cooling(at).is_none()
    }

    /// Combines the given view of health with key, cool-down, breaker and quality: the eligibility that the router reads.
    pub(super) fn eligibility(&self, health: Eligibility, at: Instant) -> Eligibility {
        let rest = self.keys.rest(at);
        if let Some(KeyRest::Rejected(left)) = rest {
            return Eligibility::unusable(Skip::KeyRejected, Some(left));
        }
        if let Some(left) = self.cooling_with(rest, at) {
            return Eligibility::unusable(Skip::Cooling, Some(left));
        }
        if let Err((skip, left)) = self.peek(at) {
            return Eligibility::unusable(skip, Some(left));
        }
        let share = self.breaker().share(at);
        // A half-open breaker has a share of 0 and may still admit a probe now, as `peek` found.
        let weight = if share > 0.0 { share * health.weight } else { health.weight };
        Eligibility { weight: weight * self.quality_share(at), ..health }
    }

    /// Returns the share of its usual traffic that the target takes while it recovers, 0 to 1.
    pub(super) fn recovery_share(&self, health_weight: f64, at: Instant) -> f64 {
        self.breaker().share(at) * health_weight
    }

    /// Returns the share of its usual traffic that the quality of its answers leaves to the target, 0 to 1.
    pub(super) fn quality_share(&self, at: Instant) -> f64 {
        rank_penalty(self.quality(at))
    }

    /// Returns the retry budget of the provider.
    pub(super) fn retry_budget(&self) -> &RetryBudget {
        &self.provider_state.retry_budget
    }

    pub(super) fn counters(&self) -> TargetCounters {
        self.history.counters.lock().clone()
    }

    /// Updates the counters under their lock.
    pub(crate) fn count(&self, update: impl FnOnce(&mut TargetCounters)) {
        update(&mut self.history.counters.lock());
    }

    /// Returns the share of recent answers that passed the quality gates, 0 to 1.
    pub(crate) fn quality(&self, at: Instant) -> f64 {
        self.history.quality.lock().value(at)
    }

    /// Records the result of the quality gates for one answer.
    pub(crate) fn record_quality(&self, passed: bool, at: Instant) {
        self.history.quality.lock().record(passed, at);
    }

    /// Records a failure as the cause, should the target become unavailable. Health counts it if its verdict counts towards
    /// a streak: a mistake of the caller or a busy target does not.
    pub(crate) fn record_failure(&self, failure: &Failure, verdict: Verdict, at: Instant) {
        let affected = match failure.consequences().cooldown {
            Cooldown::Key | Cooldown::KeyRejected => Some(&self.provider_state.last_failure),
            Cooldown::Target | Cooldown::TargetIfRepeated | Cooldown::RetryAfter => {
                Some(&self.history.last_failure)
            }
            Cooldown::None => {
                matches!(verdict, Verdict::Failure { .. }).then_some(&self.history.last_failure)
            }
        };
        if let Some(last_failure) = affected {
            *last_failure.lock() = Some((at, failure.clone()));
        }
        if let Verdict::Failure { streak: true, .. } = verdict {
            let local = failure.kind() == FailureKind::Connect;
            let origin = if local { Origin::Local } else { Origin::Remote };
            self.health.record_failure(origin, failure.to_string(), at);
        }
    }

    /// Returns the latest failure that can make the target or its provider unavailable.
    pub(super) fn last_failure(&self) -> Option<Failure> {
        let (own, shared) =
            (self.history.last_failure.lock().clone(), self.provider_state.last_failure.lock().clone());
        let latest = own.into_iter().chain(shared).max_by_key(|(at, _)| *at);
        latest.map(|(_, failure)| failure)
    }

    /// Records an answer, which clears the target of the suspicion that every request fails and ends the pauses between
    /// trials.
    pub(super) fn record_answer(&self) {
        self.history.suspicion.lock().clear();
        self.history.trials.lock().clear();
    }

    /// Starts the cool-down that follows from a failure, of the target or of its provider. A running cool-down is never
    /// shortened. `request` is the fingerprint of the failed request.
    pub(super) fn cool_down(
        &self,
        failure: &Failure,
        key: &KeyUse,
        request: impl FnOnce() -> u64,
        at: Instant,
    ) {
        let hint = failure.retry_after();
        let extend = |until: &Mutex<Option<Instant>>, wait: Duration| {
            let mut until = until.lock();
            *until = (*until).max(at.checked_add(wait));
        };
        match failure.consequences().cooldown {
            Cooldown::None => {}
            Cooldown::RetryAfter if is_of_key(failure.kind()) => self.keys.cool_down(key, hint, at),
            Cooldown::RetryAfter => {
                if let Some(wait) = hint {
                    extend(&self.history.cooling_until, wait);
                }
            }
            Cooldown::Target => {
                let wait = hint.map_or(LONG_COOL_DOWN, |hint| hint.max(LONG_COOL_DOWN));
                if is_of_key(failure.kind()) {
                    self.keys.cool_down(key, Some(wait), at);
                } else {
                    extend(&self.history.cooling_until, wait);
                }
            }
            Cooldown::TargetIfRepeated => {
                if self.history.suspicion.lock().record(failure, request(), at) {
                    extend(&self.history.cooling_until, LONG_COOL_DOWN);
                }
            }
            Cooldown::Key => self.keys.cool_down_everywhere(key, hint.unwrap_or(LONG_COOL_DOWN), at),
            Cooldown::KeyRejected => self.keys.reject(key, at),
        }
    }
}

/// Returns true if a failure concerns the key of the call, so that another key may be free of it.
const fn is_of_key(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::RateLimited | FailureKind::QuotaExhausted | FailureKind::Auth)
}
