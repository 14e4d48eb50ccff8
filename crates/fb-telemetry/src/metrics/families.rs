use std::sync::atomic::AtomicU64;

use fb_core::Money;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry, Unit},
};

use super::labels::{
    AttemptLabels, BreakerLabels, CacheLabels, DefectLabels, DriftLabels, HopLabels, KeyLabels, MoveLabels,
    ProviderBreakerLabels, ProviderTransitionLabels, RefusalLabels, RejectionLabels, RequestLabels,
    RoleLabels, RouteLabels, SkipLabels, TargetLabels, TenantRequestLabels, TokenLabels, TransitionLabels,
};

pub(super) type Cost = Counter<f64, AtomicU64>;
pub(super) type Ratio = Gauge<f64, AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: first tokens take tenths of a second, answers take seconds, and calls usually time out after
/// a minute or two.
pub(super) const BUCKETS: [f64; 16] =
    [0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0];

/// Every metric that is updated by events.
pub(super) struct Families {
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) request_duration: Histograms<RouteLabels>,
    pub(super) primary_requests: Family<RoleLabels, Counter>,
    pub(super) fallback_ratio: Family<RouteLabels, Ratio>,
    pub(super) drift_alarms: Family<DriftLabels, Counter>,
    pub(super) hops: Family<HopLabels, Counter>,
    pub(super) skips: Family<SkipLabels, Counter>,
    pub(super) attempts: Family<AttemptLabels, Counter>,
    pub(super) keys: Family<KeyLabels, Counter>,
    pub(super) attempt_successes: Family<RoleLabels, Counter>,
    pub(super) attempt_duration: Histograms<TargetLabels>,
    pub(super) first_token: Histograms<TargetLabels>,
    pub(super) in_flight: Family<TargetLabels, Gauge>,
    pub(super) tokens: Family<TokenLabels, Counter>,
    pub(super) cost: Family<TargetLabels, Cost>,
    pub(super) breaker_state: Family<BreakerLabels, Gauge>,
    pub(super) breaker_transitions: Family<TransitionLabels, Counter>,
    pub(super) provider_breaker_state: Family<ProviderBreakerLabels, Gauge>,
    pub(super) provider_breaker_transitions: Family<ProviderTransitionLabels, Counter>,
    pub(super) ladder_level: Family<RouteLabels, Gauge>,
    pub(super) ladder_moves: Family<MoveLabels, Counter>,
    pub(super) cache_results: Family<CacheLabels, Counter>,
    pub(super) gate_defects: Family<DefectLabels, Counter>,
    pub(super) repairs: Family<AttemptLabels, Counter>,
    pub(super) resumed_streams: Family<AttemptLabels, Counter>,
    pub(super) tenant_requests: Family<TenantRequestLabels, Counter>,
    pub(super) tenant_refused: Family<RefusalLabels, Counter>,
    pub(super) rejected: Family<RejectionLabels, Counter>,
}

impl Families {
    /// Registers all families. The registry adds the suffixes `_total`, `_seconds` and `_usd`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mut with = Register(registry);
        Self {
            requests: with.plain("fb_requests", "Finished requests"),
            request_duration: with.unit(
                "fb_request_duration",
                Unit::Seconds,
                "Time from a request to the end of its answer, cancelled requests excluded",
                Histograms::new_with_constructor(histogram),
            ),
            primary_requests: with.plain(
                "fb_primary_requests",
                "Finished requests by their primary target and the role of the target that answered",
            ),
            fallback_ratio: with.plain(
                "fb_fallback_ratio",
                "Share of the last 100 or so requests that were not answered by the first target",
            ),
            drift_alarms: with.plain("fb_drift_alarms", "Alarms about a rising share of fallbacks"),
            hops: with.plain("fb_hops", "Moves of requests from a failed or skipped target to the next"),
            skips: with.plain("fb_skips", "Targets skipped without a call"),
            attempts: with.plain("fb_attempts", "Finished calls to targets"),
            keys: with
                .plain("fb_key_attempts", "Finished calls with each key of providers that have several"),
            attempt_successes: with
                .plain("fb_attempt_successes", "Calls with a usable answer by the role of their target"),
            attempt_duration: with.unit(
                "fb_attempt_duration",
                Unit::Seconds,
                "Time from a call to the end of its answer, cancelled calls excluded",
                Histograms::new_with_constructor(histogram),
            ),
            first_token: with.unit(
                "fb_first_token",
                Unit::Seconds,
                "Time from a call to the first output of its stream",
                Histograms::new_with_constructor(histogram),
            ),
            in_flight: with.plain("fb_attempts_in_flight", "Calls in flight"),
            tokens: with.plain("fb_tokens", "Tokens reported by providers"),
            cost: with.unit(
                "fb_cost",
                usd(),
                "Cost of answers according to the price list",
                Family::default(),
            ),
            breaker_state: with
                .plain("fb_breaker_state", "1 for the current state of the breaker, 0 for the others"),
            breaker_transitions: with.plain("fb_breaker_transitions", "State changes of the breaker"),
            provider_breaker_state: with.plain(
                "fb_provider_breaker_state",
                "1 for the current state of the breaker of the whole provider, 0 for the others",
            ),
            provider_breaker_transitions: with.plain(
                "fb_provider_breaker_transitions",
                "State changes of the breaker of the whole provider",
            ),
            ladder_level: with.plain(
                "fb_ladder_level",
                "Rung of the ladder: 0 full, 1 reduced, 2 minimal, 3 cached, 4 offline",
            ),
            ladder_moves: with.plain("fb_ladder_moves", "Moves to another rung of the ladder"),
            cache_results: with.plain("fb_cache_results", "Requests that were looked up in the cache"),
            gate_defects: with.plain("fb_gate_defects", "Answers rejected by a quality gate"),
            repairs: with.plain("fb_repairs", "Calls that repair a rejected answer"),
            resumed_streams: with.plain(
                "fb_resumed_streams",
                "Streams that broke at the target and were to be resumed by another",
            ),
            tenant_requests: with.plain("fb_tenant_requests", "Finished requests of the tenant"),
            tenant_refused: with.plain("fb_tenant_refused", "Calls refused by a limit of the tenant"),
            rejected: with.plain("fb_rejected_requests", "Requests refused before they reached a route"),
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to nine million dollars")]
pub(super) fn dollars(money: Money) -> f64 {
    money.nanos() as f64 / 1e9
}

pub(super) fn usd() -> Unit {
    Unit::Other("usd".to_owned())
}

pub(super) struct Register<'a>(pub(super) &'a mut Registry);

impl Register<'_> {
    pub(super) fn plain<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    pub(super) fn unit<M: Metric + Clone>(&mut self, name: &str, unit: Unit, help: &str, metric: M) -> M {
        self.0.register_with_unit(name, help, unit, metric.clone());
        metric
    }
}
