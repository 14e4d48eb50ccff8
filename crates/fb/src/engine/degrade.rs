//! Graceful degradation below the full level: models with a reduced request, then answers without a model.

use fb_core::{Event, Level, ServedBy};

use super::{
    admission::{count_callable, retry_after},
    cache::{Lookup, is_unavailable},
    cause::{cause, is_callers_fault, known_cause},
    context::{Mode, RequestContext},
    outcome::TargetOutcome,
    race::{Start, race},
    response::Response,
    route_state::{LowerLevel, RouteState},
    selection::{admissible_targets, may_use_hit},
    state::Engine,
};
use crate::{
    Answer, Ended, Error, Feature, OfflineConfig,
    clock::now,
    ladder::{OfflineCause, reduce},
};

impl Engine {
    /// Returns the level at which a request of the route starts, and publishes a change of it.
    pub(super) fn starting_level(&self, route: &RouteState) -> Level {
        let (level, before) = route.level_tracker.level(&route.config.ladder, now());
        if let Some(from) = before {
            self.observers.publish(&Event::Ladder { route: route.name(), from, to: level });
        }
        level
    }

    /// Records with the route that a level gave no answer, if that is the fault of its targets and not of the request, its
    /// caller or its tenant.
    pub(super) fn record_unanswered(&self, ctx: RequestContext<'_>, level: Level) {
        let is_callers_fault = is_callers_fault(ctx, cause(ctx).as_ref());
        if is_callers_fault || !ctx.record.blames_a_target(ctx.deadline_shortened) {
            return;
        }
        ctx.route.level_tracker.record_unanswered(&ctx.route.config.ladder, level, now());
        self.starting_level(ctx.route);
    }

    /// Tries the lower levels at which models are called, from `level` down.
    pub(super) async fn descend(&self, ctx: RequestContext<'_>, level: Level) -> TargetOutcome {
        let mut levels = ctx.route.levels_from(level);
        while let Some(lower) = levels.next() {
            // A mistake of the caller stays one at every level.
            if is_callers_fault(ctx, cause(ctx).as_ref()) {
                return TargetOutcome::MoveOn;
            }
            let Some((request, notes)) = reduce(ctx.request, &lower.rung, lower.level) else {
                continue;
            };
            ctx.record.set_level(lower.level);
            let mode = if lower.rung.keeps(Feature::Streaming) { ctx.mode } else { Mode::Plain };
            let reserve = count_callable_below(ctx, levels.clone());
            let reduced = RequestContext { mode, reserve, ..ctx.with_request(&request) };
            let targets = admissible_targets(reduced, &lower.targets);
            match race(reduced, &targets, Start::SEQUENTIAL).await {
                TargetOutcome::MoveOn => self.record_unanswered(ctx, lower.level),
                ended => return ended.with_notes(notes),
            }
        }
        TargetOutcome::MoveOn
    }

    /// Returns an answer that needs no model: a stale one, or the route's fixed one.
    pub(super) fn without_models(
        &self,
        ctx: RequestContext<'_>,
        lookup: Option<&Lookup>,
        level: Level,
    ) -> Option<Response> {
        let record = ctx.record;
        // An exceeded budget is not hidden from its tenant.
        if record.is_refused_by_budget() {
            return None;
        }
        // Not only of this request: a target that is skipped has a cause too.
        let known = known_cause(ctx);
        let ended = Ended { cause: known.clone(), report: record.report(), reopens: retry_after(ctx, now()) };
        let error = Error::Exhausted(Box::new(ended));
        if let Some(response) = self.stale(ctx, &error, lookup, level) {
            return Some(response);
        }
        if is_callers_fault(ctx, cause(ctx).as_ref()) {
            return None;
        }
        // Only an operator chooses a built-in level or one without models, and gets an answer of it on every route.
        let is_chosen = level >= Level::Cached || ctx.route.is_built_in(level);
        let built_in = is_chosen.then(OfflineConfig::default);
        let offline = ctx.route.config.ladder.offline.as_ref().or(built_in.as_ref())?;
        let cause =
            OfflineCause { code: error.code(), failure: known.as_ref(), retry_after: error.retry_after() };
        let reply = offline.reply(ctx.request, &cause);
        record.set_level(Level::Offline);
        record.set_degraded(error.summary());
        let report = record.finish(Some(ServedBy::Static));
        Some(Response::Plain(Box::new(Answer { reply, report })))
    }

    /// Returns a stale answer instead of the error, if targets were unavailable or an operator set a level without models.
    fn stale(
        &self,
        ctx: RequestContext<'_>,
        error: &Error,
        lookup: Option<&Lookup>,
        level: Level,
    ) -> Option<Response> {
        let is_justified =
            level >= Level::Cached || error.report().is_some_and(|report| is_unavailable(&report.trace));
        let lookup = lookup.filter(|lookup| lookup.allows_stale())?;
        if !is_justified || level > Level::Cached {
            return None;
        }
        let hit = self.cache.get_stale(&lookup.key, now())?;
        if !may_use_hit(ctx.directory, ctx.request, ctx.route, &hit) {
            return None;
        }
        ctx.record.set_level(Level::Cached);
        ctx.record.set_degraded(error.summary());
        Some(Response::from_cache(ctx.record, &hit, ctx.request))
    }
}

/// Counts the targets of these levels that could be called now.
#[expect(single_use_lifetimes, reason = "an elided lifetime is not allowed in `impl Iterator`")]
pub(super) fn count_callable_below<'l>(
    ctx: RequestContext<'_>,
    levels: impl Iterator<Item = &'l LowerLevel>,
) -> u32 {
    count_callable(ctx, levels.flat_map(|lower| &lower.targets))
}
