//! Admission: may a target be called for a request, and may it be called now?
//!
//! Every way to a target passes through this file:
//!
//! - selection, the lower levels and the cache apply the rules of tenant and request: [`check_tenant`],
//!   [`with_request_rules`], [`may_reuse`];
//! - a race counts the targets that are left, starts a hedge, and the last resort finds what to wait for by [`check`],
//!   which takes nothing;
//! - an attempt starts with [`acquire`], which takes everything that the call needs. It checks the same conditions and those
//!   that only a call can fail, in the order in which the trace reports them.

use std::time::{Duration, Instant};

use fb_budget::Limits;
use fb_core::{ChatRequest, Refusal, Skip};
use fb_quality::{Losses, MaxLoss, TooMuchLost};
use fb_router::{Candidate, Facts, admissible};

use super::{
    admitted::Admitted,
    attempt::streams,
    context::RequestContext,
    keys::KeyRest,
    permits::Permits,
    position::Position,
    route_state::RouteState,
    route_target::RouteTarget,
    spend::{Spend, wait_for_ledger},
    target_state::RestTrial,
};
use crate::{
    clock::now,
    time_limits::{CallTime, TimeLeft},
};

/// The time after which a request looks again if a target answers its probes.
const PROBED: Duration = Duration::from_millis(100);

/// The reason why a target is not called.
pub(super) struct Denied {
    pub(super) skip: Skip,
    /// The time until the target may be called; `None` if time alone does not help.
    pub(super) reopens: Option<Duration>,
}

impl From<Skip> for Denied {
    fn from(skip: Skip) -> Self {
        Self { skip, reopens: None }
    }
}

impl From<KeyRest> for Denied {
    fn from(rest: KeyRest) -> Self {
        Self { skip: rest.skip(), reopens: Some(rest.left()) }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Skip::Inadmissible(refusal).into()
    }
}

/// Returns true if a tenant with these limits may call a target of the route.
pub(super) fn is_open(route: &RouteState, limits: Option<&Limits>) -> bool {
    route.targets.iter().any(|target| check_tenant(limits, target).is_ok())
}

/// Checks a target against the rules of a tenant: regions, data class and allowed targets.
pub(super) fn check_tenant(limits: Option<&Limits>, target: &RouteTarget) -> Result<(), Refusal> {
    let Some(limits) = limits else { return Ok(()) };
    check_rules(
        &Facts {
            regions: limits.regions.as_deref(),
            data_class: limits.data_class.as_deref(),
            allowed: limits.allowed.as_deref(),
            ..Facts::default()
        },
        target,
    )
}

/// Adds the rules of the request itself to its facts. Streaming is not required: a target that does not stream answers
/// whole.
pub(super) fn with_request_rules<'a>(mut facts: Facts<'a>, request: &'a ChatRequest) -> Facts<'a> {
    let rules = &request.options().rules;
    facts.needs.streaming = false;
    Facts {
        regions: rules.regions.as_deref(),
        data_class: rules.data_class.as_deref(),
        allowed: rules.allowed.as_deref(),
        ceiling: rules.ceiling,
        ..facts
    }
}

/// Returns true if an earlier answer of the target may be given to the request: tenant and request allow the target. The
/// request's price ceiling does not count, as a cached answer costs nothing.
pub(super) fn may_reuse(request: &ChatRequest, limits: Option<&Limits>, target: &RouteTarget) -> bool {
    let rules = Facts { ceiling: None, ..with_request_rules(Facts::default(), request) };
    check_rules(&rules, target).is_ok() && check_tenant(limits, target).is_ok()
}

/// Returns true if neither tenant nor request restrict the targets.
pub(super) fn is_unrestricted(request: &ChatRequest, limits: Option<&Limits>) -> bool {
    let unlimited =
        |limits: &Limits| limits.regions.is_none() && limits.data_class.is_none() && limits.allowed.is_none();
    request.options().rules.is_empty() && limits.is_none_or(unlimited)
}

/// Checks the rules of region, data class and name, whatever the state of the target.
fn check_rules(rules: &Facts<'_>, target: &RouteTarget) -> Result<(), Refusal> {
    let config = &*target.config;
    let candidate = Candidate {
        region: config.region.as_deref(),
        data_classes: &config.data_classes,
        ..Candidate::new(target.id())
    };
    admissible(rules, &candidate)
}

/// Checks a target against the rules of the tenant that makes the request.
fn check_own_tenant(ctx: RequestContext<'_>, target: &RouteTarget) -> Result<(), Refusal> {
    check_tenant(ctx.estimate.map(|estimate| estimate.account.limits()), target)
}

/// Checks if a call to the target now would be admitted, without taking anything: by the rules of the tenant, the limits
/// that earlier failures of the request exceeded, and the state of the target.
pub(super) fn check(ctx: RequestContext<'_>, target: &RouteTarget, at: Instant) -> Result<(), Denied> {
    check_own_tenant(ctx, target)?;
    ctx.record.check_limits(target.capabilities())?;
    let eligibility = target.eligibility(ctx.panic, at);
    if eligibility.is_usable() {
        return Ok(());
    }
    let skip = eligibility.reasons.into_iter().next().unwrap_or(Skip::Ramping);
    Err(Denied { skip, reopens: eligibility.not_before })
}

/// Returns the time until a target may be called from which the request was turned away: none if it has reopened since.
/// `None` if time alone does not help, or if the target ended its attempts itself.
pub(super) fn time_until_reopened(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    at: Instant,
) -> Option<Duration> {
    let Err(denied) = check(ctx, target, at) else {
        return ctx.record.was_turned_away(target.id()).then_some(Duration::ZERO);
    };
    let is_breaker = matches!(denied.skip, Skip::BreakerOpen | Skip::ProviderOpen);
    // The probes in flight may end at any time.
    if is_breaker && target.state.is_half_open(at) {
        denied.reopens.and(Some(PROBED))
    } else {
        denied.reopens
    }
}

/// Returns true if a hedge to the target would be admitted. A target that is only probed takes no hedges.
pub(super) fn may_hedge(ctx: RequestContext<'_>, target: &RouteTarget, at: Instant) -> bool {
    !target.state.is_probing(at) && check(ctx, target, at).is_ok()
}

/// Counts the targets that would be admitted now.
#[expect(single_use_lifetimes, reason = "an elided lifetime is not allowed in `impl Iterator`")]
pub(super) fn count_callable<'t>(
    ctx: RequestContext<'_>,
    targets: impl Iterator<Item = &'t RouteTarget>,
) -> u32 {
    let at = now();
    let callable = targets.filter(|target| check(ctx, target, at).is_ok()).count();
    u32::try_from(callable).unwrap_or(u32::MAX)
}

/// Returns the time after which the same request may be answered: when the tenant's budget has room again, or else when
/// the first target of the route reopens.
pub(super) fn retry_after(ctx: RequestContext<'_>, at: Instant) -> Option<Duration> {
    let visible = ctx.route.targets.iter().filter(|target| check_own_tenant(ctx, target).is_ok());
    let reopens = visible.filter_map(|target| target.eligibility(ctx.panic, at).not_before).min();
    ctx.record.budget_resets_in().or(reopens)
}

/// Takes everything that one call needs: a slot, a breaker permit, a reservation and a row of the trace. `number` counts
/// the calls of the request to this target, from 1.
///
/// Nothing awaits between the checks and the taking, so no concurrent attempt comes between them. A call that the ledger on
/// disk does not cover waits for it with everything taken.
pub(super) async fn acquire(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    position: Position,
    number: u32,
) -> Result<Admitted, Denied> {
    let at = now();
    let (record, state) = (ctx.record, &target.state);
    if record.calls() >= ctx.envelope.attempts {
        return Err(Skip::Attempts.into());
    }
    ctx.envelope.slice(at, position.later).ok_or(Skip::NoTime)?;
    let key = state.keys.take(position.bypass, at, || ctx.random());
    if let Err(rejected @ KeyRest::Rejected(_)) = key {
        return Err(rejected.into());
    }
    // Not checked again on a retry: the capabilities of a target do not change between its calls.
    if number == 1 {
        check_carries(ctx, target)?;
    }
    if !position.bypass {
        check_state(ctx, target, key.as_ref().err().copied(), number == 1 && position.later > 0, at)?;
    }
    let key = key?;
    let mut rest_trial = if position.bypass { Some(try_rest_trial(ctx, target, at)?) } else { None };
    let slot = state.try_slot().ok_or(Skip::AtCapacity)?;
    let permits = state.try_acquire(position.bypass, at);
    let permits = permits.map_err(|(skip, left)| Denied { skip, reopens: Some(left) })?;
    // Last, since the first reservation counts the request.
    let (permits, spend) = match reserve(ctx, target, permits, at)? {
        (permits, Some(spend)) => cover(ctx, permits, spend).await?,
        unpaid => unpaid,
    };
    // The time that the ledger took is not the target's.
    let at = now();
    let Some(time) = call_time(ctx, target, position.later, at) else {
        permits.neutral(at);
        if let Some(spend) = spend {
            spend.release();
        }
        return Err(Skip::NoTime.into());
    };
    if let Some(trial) = &mut rest_trial {
        trial.begin_call();
    }
    let attempt = record.begin(state, number, state.keys.name(&key), at);
    let (permits, until) = (permits.allowing(time.usual), at + time.limit);
    Ok(Admitted { permits, attempt, slot, spend, key, rest_trial, until, is_shortened: time.is_shortened() })
}

/// Waits until the ledger on disk covers the reservation of a call. A refusal returns permit and reservation unused.
async fn cover(
    ctx: RequestContext<'_>,
    permits: Permits,
    mut spend: Box<Spend>,
) -> Result<(Permits, Option<Box<Spend>>), Denied> {
    let stalled = match ctx.estimate {
        Some(estimate) => wait_for_ledger(estimate.account).await.is_err(),
        None => false,
    };
    // Other targets of a race may have been called meanwhile.
    let is_exhausted = ctx.record.calls() >= ctx.envelope.attempts;
    if stalled || is_exhausted {
        spend.release();
        permits.neutral(now());
        return Err(if stalled { Skip::Ledger } else { Skip::Attempts }.into());
    }
    // From here on a call that is cancelled was sent: the provider charges for its prompt.
    spend.record_output(0);
    Ok((permits, Some(spend)))
}

/// Returns the time that a call to the target gets now; `None` if too little time remains to start one.
fn call_time(ctx: RequestContext<'_>, target: &RouteTarget, later: u32, at: Instant) -> Option<CallTime> {
    ctx.envelope.slice(at, later)?;
    let left = TimeLeft {
        remaining: ctx.envelope.remaining(at),
        min_slice: ctx.envelope.min_slice,
        deadline: ctx.deadline.after,
        is_set: ctx.deadline.is_set || ctx.deadline_shortened,
        later,
    };
    let shape = target.call_shape(ctx.request, streams(ctx, target));
    Some(target.times().call_time(shape, left))
}

/// Begins a call to a target that rests. One that may not begin yet is denied for the reason of the rest.
fn try_rest_trial(ctx: RequestContext<'_>, target: &RouteTarget, at: Instant) -> Result<RestTrial, Denied> {
    target.state.try_rest_trial(at).map_err(|next| {
        let denied = check(ctx, target, at).err();
        denied.unwrap_or(Denied { skip: Skip::Cooling, reopens: Some(next) })
    })
}

/// Checks if the target can carry the request at all.
fn check_carries(ctx: RequestContext<'_>, target: &RouteTarget) -> Result<(), Refusal> {
    ctx.record.check_limits(target.capabilities())?;
    target.provider().admit(target.call(ctx.request))?;
    check_loss(ctx, target)?;
    check_own_tenant(ctx, target)
}

/// Checks that no more of the request is lost on the way to the target than the route allows.
fn check_loss(ctx: RequestContext<'_>, target: &RouteTarget) -> Result<(), Refusal> {
    let max_loss = ctx.route.gates.config().max_loss;
    if max_loss == MaxLoss::Any {
        return Ok(());
    }
    // An unreadable request is left to the adapter, which names the field that is wrong.
    let Ok(chat) = ctx.request.chat() else { return Ok(()) };
    let losses =
        Losses::new(chat, &target.provider().losses(target.call(ctx.request)), target.capabilities());
    losses.check(max_loss).map_err(|TooMuchLost(note)| Refusal::new(note.field, note.what))
}

/// Checks cool-down and health. If others could answer, a target that recovers, or that answers badly, turns away the
/// requests beyond its share.
fn check_state(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    rest: Option<KeyRest>,
    may_turn_away: bool,
    at: Instant,
) -> Result<(), Denied> {
    if let Some(left) = target.state.cooling_with(rest, at) {
        return Err(Denied { skip: Skip::Cooling, reopens: Some(left) });
    }
    let health = target.health(ctx.panic, at);
    if let Some(skip) = health.reasons.into_iter().next() {
        return Err(Denied { skip, reopens: health.not_before });
    }
    let (recovery, quality) =
        (target.state.recovery_share(health.weight, at), target.state.quality_share(at));
    let share = recovery * quality;
    // No random number is drawn for a target that takes all requests, or that is only probed.
    let is_partial = share > 0.0 && share < 1.0;
    if may_turn_away && is_partial && ctx.random() >= share {
        return Err(if quality < recovery { Skip::LowQuality } else { Skip::Ramping }.into());
    }
    Ok(())
}

/// Reserves the estimated cost of the call, where tenants have budgets. A refusal returns the permit unused.
fn reserve(
    ctx: RequestContext<'_>,
    target: &RouteTarget,
    permits: Permits,
    at: Instant,
) -> Result<(Permits, Option<Box<Spend>>), Denied> {
    let Some(estimate) = ctx.estimate else { return Ok((permits, None)) };
    let is_first_call = !ctx.record.is_counted();
    let reserved = estimate.reserve(target.id(), &target.prices, is_first_call, at);
    for warning in estimate.account.warnings() {
        ctx.record.publish_budget(&warning);
    }
    match reserved {
        Ok(spend) => {
            ctx.record.set_counted();
            Ok((permits, Some(spend)))
        }
        Err(exceeded) => {
            permits.neutral(at);
            let skip = Skip::Budget {
                limit: exceeded.limit.as_str(),
                money: exceeded.limit.is_money(),
                of_key: exceeded.is_key_limit(),
            };
            Err(Denied { skip, reopens: exceeded.resets_in })
        }
    }
}
