use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fb_breaker::{Breaker, Circuit, Permit, Rejected, State, Weight};
use fb_budget::TokenPrices;
use fb_core::{
    Call, Capabilities, ChatRequest, Cooldown, Eligibility, Failure, FailureKind, Overrides, Provider,
    Refusal, Skip, TargetId, Verdict,
};
use fb_health::{Member, Origin};
use fb_quality::{Score, rank_penalty};
use fb_retry::{RetryBudget, RetryPolicy};
use fb_router::{Candidate, Facts, admissible};
use parking_lot::Mutex;

use super::{RequestContext, attempts::Entry};
use crate::{Target, stats::TargetCounters};

/// How long a target or key is left alone that only its operator can repair: five minutes.
const LONG: Duration = Duration::from_secs(300);

/// A target at run time, shared by all routes that name it.
pub(crate) struct TargetState {
    id: TargetId,
    provider: Arc<dyn Provider>,
    circuit: Circuit,
    pub(crate) health: Member,
    cooling: Mutex<Option<Instant>>,
    provider_state: Arc<ProviderState>,
    counts: Mutex<TargetCounters>,
    in_flight: AtomicU32,
    quality: Mutex<Score>,
    /// Most calls at one time.
    most: Option<u32>,
}

/// A call in flight at a target, until its answer is whole; dropping it makes room.
pub(crate) struct Slot(Arc<TargetState>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the targets of one provider share: its account.
pub(super) struct ProviderState {
    cooling: Mutex<Option<Instant>>,
    /// The key was rejected; only a new configuration helps.
    key_rejected: AtomicBool,
    retries: RetryBudget,
}

impl ProviderState {
    pub(super) fn new(retries: RetryBudget) -> Self {
        Self { cooling: Mutex::default(), key_rejected: AtomicBool::new(false), retries }
    }
}

/// A target as one route uses it.
#[derive(Clone)]
pub(super) struct RouteTarget {
    pub(super) state: Arc<TargetState>,
    pub(super) config: Arc<Target>,
    /// Lower is tried first.
    pub(super) priority: u32,
    /// The bits of its weight, which follows its successes if that is asked for.
    weight: Arc<AtomicU64>,
    pub(super) retry: RetryPolicy,
    /// Names of the failure kinds that hop, when the target says so itself.
    pub(super) triggers: Option<Vec<&'static str>>,
    pub(super) overrides: Overrides,
    pub(super) prices: Option<TokenPrices>,
    capabilities: Capabilities,
}

impl TargetState {
    pub(super) fn new(
        id: TargetId,
        provider: Arc<dyn Provider>,
        circuit: Circuit,
        health: Member,
        provider_state: Arc<ProviderState>,
        most: Option<u32>,
    ) -> Self {
        let (cooling, counts, in_flight) = (Mutex::default(), Mutex::default(), AtomicU32::new(0));
        let quality = Mutex::default();
        Self { id, provider, circuit, health, cooling, provider_state, counts, in_flight, quality, most }
    }

    pub(super) fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider)
    }

    pub(super) const fn breaker(&self) -> &Breaker {
        self.circuit.breaker()
    }

    /// Calls under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether its breaker lets probes through at most.
    pub(super) fn is_half_open(&self, at: Instant) -> bool {
        self.breaker().state(at) != State::Closed
    }

    /// Takes a place for a call, if there is one.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        // Whether there was room or not, dropping the slot takes the one added away again.
        let slot = Slot(Arc::clone(self));
        self.most.is_none_or(|most| before < most).then_some(slot)
    }

    /// Takes a permit of the target's breaker, or says why there is none.
    pub(super) fn acquire(&self, entry: Entry, at: Instant) -> Result<Permit, Rejected> {
        match entry {
            Entry::Usual => self.circuit.try_acquire(at),
            Entry::Bypass => self.breaker().try_bypass(at),
        }
    }

    pub(crate) const fn id(&self) -> &TargetId {
        &self.id
    }

    pub(super) fn counts(&self) -> TargetCounters {
        self.counts.lock().clone()
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut TargetCounters)) {
        count(&mut self.counts.lock());
    }

    pub(super) fn outstanding(&self) -> u32 {
        self.breaker().outstanding()
    }

    /// Whether the target may be called now, as far as health is heeded.
    pub(super) fn eligibility(&self, health: Eligibility, at: Instant) -> Eligibility {
        if self.is_key_rejected() {
            return Eligibility::unusable(Skip::KeyRejected, None);
        }
        if let Some(wait) = self.cooling(at) {
            return Eligibility::unusable(Skip::Cooling, Some(wait));
        }
        if let Err(rejected) = self.circuit.peek(at) {
            return Eligibility::unusable(Skip::BreakerOpen, Some(rejected.retry_after));
        }
        let share = self.breaker().share(at);
        // A probe is no share of the traffic; there may be one now.
        let weight = if share > 0.0 { share * health.weight } else { health.weight };
        Eligibility { weight: weight * rank_penalty(self.quality(at)), ..health }
    }

    /// TargetCounters an answer that was looked at.
    pub(crate) fn record_quality(&self, passed: bool, at: Instant) {
        self.quality.lock().record(passed, at);
    }

    /// The share of its latest answers that were good enough, 0 to 1.
    pub(crate) fn quality(&self, at: Instant) -> f64 {
        self.quality.lock().value(at)
    }

    /// Tells health of a failure that speaks against the target: nothing that a caller did, and not that it is busy.
    pub(crate) fn record_failure(&self, failure: &Failure, verdict: Verdict, at: Instant) {
        if let Verdict::Failure { streak: true, .. } = verdict {
            let local = failure.kind() == FailureKind::Connect;
            let origin = if local { Origin::Local } else { Origin::Remote };
            self.health.record_failure(origin, failure.to_string(), at);
        }
    }

    /// The retries that all calls to the provider share.
    pub(super) fn retries(&self) -> &RetryBudget {
        &self.provider_state.retries
    }

    pub(super) fn is_key_rejected(&self) -> bool {
        self.provider_state.key_rejected.load(Ordering::Relaxed)
    }

    /// How long the target is still to be left alone, by its own or its key's cool-down.
    pub(super) fn cooling(&self, at: Instant) -> Option<Duration> {
        let left = |until: &Mutex<Option<Instant>>| {
            let until = *until.lock();
            until.and_then(|until| until.checked_duration_since(at)).filter(|left| !left.is_zero())
        };
        left(&self.cooling).max(left(&self.provider_state.cooling))
    }

    /// Leaves the target or its key alone for as long as the failure asks.
    pub(super) fn cool_down(&self, cooldown: Cooldown, hint: Option<Duration>, at: Instant) {
        let set = |until: &Mutex<Option<Instant>>, wait: Duration| {
            let mut until = until.lock();
            *until = (*until).max(at.checked_add(wait));
        };
        match cooldown {
            Cooldown::None => {}
            Cooldown::RetryAfter => {
                if let Some(wait) = hint {
                    set(&self.cooling, wait);
                }
            }
            Cooldown::Target => set(&self.cooling, LONG),
            Cooldown::Key => set(&self.provider_state.cooling, hint.unwrap_or(LONG)),
            Cooldown::KeyRejected => self.provider_state.key_rejected.store(true, Ordering::Relaxed),
        }
    }
}

impl RouteTarget {
    pub(super) fn new(
        state: Arc<TargetState>,
        config: &Target,
        priority: u32,
        retry: RetryPolicy,
        prices: Option<TokenPrices>,
    ) -> Self {
        let triggers = config
            .trigger_on
            .as_ref()
            .map(|kinds| kinds.iter().filter_map(|kind| kind.parse().ok()).map(FailureKind::name).collect());
        let overrides =
            Overrides(config.set.iter().map(|(name, value)| (name.clone(), value.clone())).collect());
        let capabilities = config.capabilities.applied_to(state.provider.capabilities(state.id.model()));
        let weight = Arc::new(AtomicU64::new(config.weight.to_bits()));
        let config = Arc::new(config.clone());
        Self { state, config, priority, weight, retry, triggers, overrides, prices, capabilities }
    }

    /// Its share of the requests, beside the weights of the other targets.
    pub(super) fn weight(&self) -> f64 {
        f64::from_bits(self.weight.load(Ordering::Relaxed))
    }

    pub(super) fn set_weight(&self, weight: f64) {
        self.weight.store(weight.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn id(&self) -> &TargetId {
        &self.state.id
    }

    pub(super) fn provider(&self) -> &dyn Provider {
        &*self.state.provider
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) fn call<'a>(&'a self, request: &'a ChatRequest) -> Call<'a> {
        Call { request, model: self.state.id.model(), overrides: &self.overrides }
    }

    /// Whether rules of place, data and name let a request reach the target, whatever its state.
    pub(super) fn is_open_to(&self, rules: &Facts<'_>) -> Result<(), Refusal> {
        let config = &*self.config;
        let candidate = Candidate {
            region: config.region.as_deref(),
            data_classes: &config.data_classes,
            ..Candidate::new(self.id())
        };
        admissible(rules, &candidate)
    }

    /// Whether a visit now would make a call: what "a minimum slice for every untried target" counts.
    pub(super) fn may_be_called(&self, ctx: RequestContext<'_>, at: Instant) -> bool {
        ctx.may_see(self).is_ok()
            && self.eligibility(ctx, at).is_usable()
            && ctx.record.admits(self.capabilities()).is_ok()
    }

    /// Whether a visit beside another would make a call. One that is only tried out is not asked for that.
    pub(super) fn may_be_hedge(&self, ctx: RequestContext<'_>, at: Instant) -> bool {
        !self.state.is_half_open(at) && self.may_be_called(ctx, at)
    }

    /// How long the last resort would wait for the target: until it reopens, or not at all when it has reopened
    /// since this request was turned away. `None` when time alone does not help, or when it had its chance.
    pub(super) fn wait(&self, ctx: RequestContext<'_>, at: Instant) -> Option<Duration> {
        let eligibility = self.eligibility(ctx, at);
        if eligibility.is_usable() {
            return ctx.record.was_turned_away(self.id()).then_some(Duration::ZERO);
        }
        eligibility.not_before
    }

    /// How long until the target may be called, if it may not now and time alone helps.
    pub(super) fn reopens(&self, ctx: RequestContext<'_>, at: Instant) -> Option<Duration> {
        self.eligibility(ctx, at).not_before
    }

    fn eligibility(&self, ctx: RequestContext<'_>, at: Instant) -> Eligibility {
        self.eligible(ctx.panic, at)
    }

    /// Whether it may be called now; in a panic whatever health says.
    pub(super) fn eligible(&self, panic: bool, at: Instant) -> Eligibility {
        self.state.eligibility(self.health(panic, at), at)
    }

    /// What health says, if it is heeded.
    pub(super) fn health(&self, panic: bool, at: Instant) -> Eligibility {
        if panic { Eligibility::usable() } else { self.state.health.own_eligibility(at) }
    }
}

/// What the breaker hears of a verdict on a failure.
pub(crate) fn weight(verdict: Verdict, hint: Option<Duration>) -> Option<Weight> {
    match verdict {
        Verdict::Success | Verdict::Neutral => None,
        Verdict::Failure { window, streak } => {
            Some(Weight { window, streak, probe: true, retry_after: hint })
        }
    }
}
