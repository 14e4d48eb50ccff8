//! Below the full level: models that are asked for less, then answers without a model.

use fb_core::{Event, Level, ServedBy};

use super::{
    Engine, Mode, Opened, Trip,
    cache::{Lookup, is_unavailable},
    selection::admitted,
    directory::{Plan, Step},
    spend::Bill,
    race::{Start, race},
    replay,
    cause::{cause, is_callers},
    attempts::Visit,
};
use crate::{
    Answer, Ended, Error, Feature,
    clock::now,
    ladder::{OfflineCause, reduce},
};

impl Engine {
    /// The level at which a request of the route begins.
    pub(super) fn level(&self, plan: &Plan) -> Level {
        let (level, before) = plan.descent.level(&plan.route.ladder, now());
        if let (Some(from), Some(observer)) = (before, &self.observer) {
            observer.on(&Event::Ladder { route: &plan.route.name, from, to: level });
        }
        level
    }

    /// Nobody answered at this level. The route hears of it only if that says something of its targets, not of the
    /// request, its caller or its tenant.
    pub(super) fn exhausted(&self, trip: Trip<'_>, plan: &Plan, level: Level) {
        if is_callers(trip, cause(trip, plan).as_ref()) || !trip.run.speaks_of_targets(trip.hurried) {
            return;
        }
        plan.descent.exhausted(&plan.route.ladder, level, now());
        self.level(plan);
    }

    /// Tries the lower levels at which models are called, from `level` down.
    pub(super) async fn descend(&self, trip: Trip<'_>, plan: &Plan, level: Level) -> Visit {
        for (index, step) in plan.rungs.iter().enumerate() {
            if step.level < level {
                continue;
            }
            // What the caller did wrong stays wrong, whoever found it.
            if is_callers(trip, cause(trip, plan).as_ref()) {
                return Visit::Moved;
            }
            let Some((asked, notes)) = reduce(trip.request, &step.rung, step.level.name()) else { continue };
            trip.run.level(step.level);
            let streams = step.rung.keeps(Feature::Streaming);
            let mode = if streams { trip.mode } else { Mode::Plain };
            let reserve = reserve(trip, &plan.rungs[index + 1..]);
            let bill = trip.bill.map(|bill| Bill::of(bill.account, &asked));
            let lower = Trip { request: &asked, mode, reserve, bill, ..trip };
            match race(lower, &admitted(lower, &step.lanes), Start::ONE_BY_ONE).await {
                Visit::Moved => self.exhausted(trip, plan, step.level),
                ended => return ended.with_notes(notes),
            }
        }
        Visit::Moved
    }

    /// What can be given without a model: an old answer, or a fixed one.
    pub(super) fn without_models(
        &self,
        trip: Trip<'_>,
        plan: &Plan,
        lookup: Option<&Lookup>,
        level: Level,
    ) -> Option<Opened> {
        let (run, at) = (trip.run, now());
        let told = Error::Exhausted(Box::new(Ended {
            cause: cause(trip, plan),
            report: run.report(),
            reopens: plan.reopens(trip, at),
        }));
        let Error::Exhausted(ended) = &told else { return None };
        // That a tenant may not pay is not hidden.
        if trip.run.is_unpaid() {
            return None;
        }
        // An operator's word for a lower level is reason enough.
        let good = level >= Level::Cached || is_unavailable(&ended.report.trace);
        let lookup = lookup.filter(|lookup| good && level <= Level::Cached && lookup.is_stale_good());
        let hit = lookup.and_then(|lookup| self.cache.get_stale(&lookup.key, at));
        if let Some(hit) = hit.filter(|hit| self.may_be_given(trip.request, plan, hit)) {
            run.level(Level::Cached);
            run.degraded(told.to_string());
            self.totals.lock().cached(plan.primary());
            return Some(replay(run, &hit, trip.request));
        }
        if is_callers(trip, ended.cause.as_ref()) {
            return None;
        }
        let offline = plan.route.ladder.offline.as_ref()?;
        let cause =
            Cause { code: told.code(), failure: ended.cause.as_ref(), retry_after: told.retry_after() };
        let reply = offline.reply(trip.request, &cause);
        run.level(Level::Offline);
        run.degraded(told.to_string());
        self.totals.lock().unanswered(plan.primary());
        let report = run.finish(Some(ServedBy::Static));
        Some(Opened::Plain(Box::new(Answer { reply, report })))
    }
}

/// Targets of these levels that could be called now.
pub(super) fn reserve(trip: Trip<'_>, steps: &[Step]) -> u32 {
    let at = now();
    let lanes = steps.iter().flat_map(|step| &step.lanes);
    u32::try_from(lanes.filter(|lane| lane.may_be_called(trip, at)).count()).unwrap_or(u32::MAX)
}
