//! Below the full level: models that are asked for less, then answers without a model.

use fb_core::{Event, Level, ServedBy};

use super::{
    Engine, Mode, Opened, RequestContext,
    attempts::TargetOutcome,
    cache::{Lookup, is_unavailable},
    cause::{cause, is_callers},
    directory::{Plan, Step},
    race::{Start, race},
    replay,
    selection::admitted,
    spend::CostEstimate,
};
use crate::{
    Answer, Ended, Error, Feature,
    clock::now,
    ladder::{OfflineCause, reduce},
};

impl Engine {
    /// The level at which a request of the route begins.
    pub(super) fn level(&self, plan: &Plan) -> Level {
        let (level, before) = plan.level_tracker.level(&plan.route.ladder, now());
        if let (Some(from), Some(observer)) = (before, &self.observer) {
            observer.on_event(&Event::Ladder { route: &plan.route.name, from, to: level });
        }
        level
    }

    /// Nobody answered at this level. The route hears of it only if that says something of its targets, not of the
    /// request, its caller or its tenant.
    pub(super) fn exhausted(&self, ctx: RequestContext<'_>, plan: &Plan, level: Level) {
        if is_callers(ctx, cause(ctx, plan).as_ref()) || !ctx.record.speaks_of_targets(ctx.deadline_shortened)
        {
            return;
        }
        plan.level_tracker.record_unanswered(&plan.route.ladder, level, now());
        self.level(plan);
    }

    /// Tries the lower levels at which models are called, from `level` down.
    pub(super) async fn descend(&self, ctx: RequestContext<'_>, plan: &Plan, level: Level) -> TargetOutcome {
        for (index, step) in plan.rungs.iter().enumerate() {
            if step.level < level {
                continue;
            }
            // What the caller did wrong stays wrong, whoever found it.
            if is_callers(ctx, cause(ctx, plan).as_ref()) {
                return TargetOutcome::MoveOn;
            }
            let Some((asked, notes)) = reduce(ctx.request, &step.rung, step.level.name()) else { continue };
            ctx.record.level(step.level);
            let streams = step.rung.keeps(Feature::Streaming);
            let mode = if streams { ctx.mode } else { Mode::Plain };
            let reserve = reserve(ctx, &plan.rungs[index + 1..]);
            let estimate = ctx.estimate.map(|estimate| CostEstimate::of(estimate.account, &asked));
            let lower = RequestContext { request: &asked, mode, reserve, estimate, ..ctx };
            match race(lower, &admitted(lower, &step.targets), Start::ONE_BY_ONE).await {
                TargetOutcome::MoveOn => self.exhausted(ctx, plan, step.level),
                ended => return ended.with_notes(notes),
            }
        }
        TargetOutcome::MoveOn
    }

    /// What can be given without a model: an old answer, or a fixed one.
    pub(super) fn without_models(
        &self,
        ctx: RequestContext<'_>,
        plan: &Plan,
        lookup: Option<&Lookup>,
        level: Level,
    ) -> Option<Opened> {
        let (record, at) = (ctx.record, now());
        let told = Error::Exhausted(Box::new(Ended {
            cause: cause(ctx, plan),
            report: record.report(),
            reopens: plan.reopens(ctx, at),
        }));
        let Error::Exhausted(ended) = &told else { return None };
        // That a tenant may not pay is not hidden.
        if ctx.record.is_unpaid() {
            return None;
        }
        // An operator's word for a lower level is reason enough.
        let good = level >= Level::Cached || is_unavailable(&ended.report.trace);
        let lookup = lookup.filter(|lookup| good && level <= Level::Cached && lookup.is_stale_good());
        let hit = lookup.and_then(|lookup| self.cache.get_stale(&lookup.key, at));
        if let Some(hit) = hit.filter(|hit| self.may_be_given(ctx.request, plan, hit)) {
            record.level(Level::Cached);
            record.degraded(told.to_string());
            self.totals.lock().record_cached(plan.primary());
            return Some(replay(record, &hit, ctx.request));
        }
        if is_callers(ctx, ended.cause.as_ref()) {
            return None;
        }
        let offline = plan.route.ladder.offline.as_ref()?;
        let cause = OfflineCause {
            code: told.code(),
            failure: ended.cause.as_ref(),
            retry_after: told.retry_after(),
        };
        let reply = offline.reply(ctx.request, &cause);
        record.level(Level::Offline);
        record.degraded(told.to_string());
        self.totals.lock().record_unanswered(plan.primary());
        let report = record.finish(Some(ServedBy::Static));
        Some(Opened::Plain(Box::new(Answer { reply, report })))
    }
}

/// Targets of these levels that could be called now.
pub(super) fn reserve(ctx: RequestContext<'_>, steps: &[Step]) -> u32 {
    let at = now();
    let targets = steps.iter().flat_map(|step| &step.targets);
    u32::try_from(targets.filter(|target| target.may_be_called(ctx, at)).count()).unwrap_or(u32::MAX)
}
