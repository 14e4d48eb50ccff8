//! The invariants of statistics: counts and rates are those of the calls, the requests and the moves between targets.

use std::collections::BTreeMap;

use fb_core::{Attempt, AttemptEnd, Next, Report, ServedBy, Skip, TargetId};

use super::{
    play::{End, Played, Received},
    watch::Finished,
    world::World,
};
use crate::{Error, Record, SuccessCounts};

/// Returns the violated invariants.
pub(super) fn statistics(world: &World, played: &Played) -> Vec<String> {
    let mut wrong = Vec::new();
    targets(played, &mut wrong);
    totals(played, &mut wrong);
    if played.received.iter().all(|received| !matches!(received.end, End::Left)) {
        received(played, &mut wrong);
    }
    for record in &played.records {
        wrong.extend(primary(world, record).map(|why| format!("{why}\n{record}")));
        wrong.extend(hops(world, record).map(|why| format!("{why}\n{record}")));
    }
    let own = || played.observed.finished.iter().filter(|finished| !finished.coalesced);
    let tenants: [Vec<_>; 2] = [
        own().flat_map(|finished| vec![&finished.tenant; finished.report.hops as usize]).collect(),
        played.observed.hops.iter().map(|hop| &hop.tenant).collect(),
    ];
    let [reported, observed] = tenants.map(|mut tenants| {
        tenants.sort();
        tenants
    });
    if reported != observed {
        wrong.push(format!("hops of {reported:?} reported, of {observed:?} observed"));
    }
    if played.observed.hops.iter().any(|hop| hop.from == hop.to) {
        wrong.push("a hop to the same target".to_owned());
    }
    wrong
}

/// Calls, successes, failures, blocks and cancelled calls of one target.
type Counts = (u64, u64, BTreeMap<&'static str, u64>, u64, u64);

/// The counts of every target and provider are those of the rows.
fn targets(played: &Played, wrong: &mut Vec<String>) {
    let (mut by_target, mut by_provider) = (BTreeMap::new(), BTreeMap::new());
    for row in played.observed.rows.iter().filter(|row| row.is_call()) {
        count(by_target.entry(row.target.clone()).or_default(), &row.end);
        count(by_provider.entry(row.target.provider().clone()).or_default(), &row.end);
    }
    for (id, stats) in &played.stats.targets {
        let counted = (stats.calls, stats.successes, stats.failures.clone(), stats.blocked, stats.cancelled);
        let expected: Counts = by_target.remove(id).unwrap_or_default();
        if counted != expected {
            wrong.push(format!("{id} counts {counted:?}, had {expected:?}"));
        }
    }
    for (id, stats) in &played.stats.providers {
        let counted = (stats.calls, stats.successes, stats.failures.clone(), stats.blocked, stats.cancelled);
        let expected: Counts = by_provider.remove(id).unwrap_or_default();
        if counted != expected {
            wrong.push(format!("{id} counts {counted:?}, had {expected:?}"));
        }
    }
}

fn count((calls, successes, failures, blocked, cancelled): &mut Counts, end: &AttemptEnd) {
    *calls += u64::from(*end != AttemptEnd::Cancelled);
    match end {
        AttemptEnd::Ok { .. } => *successes += 1,
        AttemptEnd::Failed(failure) => *failures.entry(failure.kind().name()).or_default() += 1,
        AttemptEnd::Blocked { .. } => *blocked += 1,
        AttemptEnd::Cancelled => *cancelled += 1,
        AttemptEnd::Running | AttemptEnd::Skipped { .. } => {}
    }
}

/// Every finished request and every successful call counts once.
fn totals(played: &Played, wrong: &mut Vec<String>) {
    let (stats, finished) = (&played.stats, &played.observed.finished);
    let cancelled = finished.iter().filter(|finished| finished.cancelled).count();
    if (stats.requests, stats.cancelled) != (finished.len() as u64, cancelled as u64) {
        wrong.push(format!("{} requests, {} cancelled", stats.requests, stats.cancelled));
    }
    let mut per_attempt = SuccessCounts {
        total: stats.targets.values().map(|target| target.calls).sum(),
        ..SuccessCounts::default()
    };
    for Finished { report, .. } in finished.iter().filter(|finished| !finished.coalesced) {
        let ok = |row: &&Attempt| matches!(row.end, AttemptEnd::Ok { .. });
        for row in report.trace.rows().iter().filter(ok) {
            let is_primary = report.primary.as_ref() == Some(&row.target);
            per_attempt.by_primary += u64::from(is_primary);
            per_attempt.by_fallback += u64::from(!is_primary);
        }
    }
    if stats.per_attempt != per_attempt {
        wrong.push(format!("per attempt {:?}, had {per_attempt:?}", stats.per_attempt));
    }
}

/// The counts per request are those that the callers received, if all of them waited.
fn received(played: &Played, wrong: &mut Vec<String>) {
    let (mut answered, mut cached, mut per_request) = (0, 0, SuccessCounts::default());
    let mut by_primary: BTreeMap<TargetId, SuccessCounts> = BTreeMap::new();
    for Received { end, .. } in &played.received {
        let (report, by) = match end {
            End::Whole(report) => match &report.served_by {
                Some(ServedBy::Target(by)) => (report, Some(by)),
                _ => (report, None),
            },
            End::Error(Error::Blocked(ended)) => (&ended.report, blocked_by(&ended.report)),
            End::Error(error) => match error.report() {
                Some(report) => (report, None),
                None => continue,
            },
            End::Left => continue,
        };
        cached += u64::from(report.served_by == Some(ServedBy::Cache));
        answered += u64::from(by.is_some());
        let Some(primary) = &report.primary else { continue };
        for counts in [&mut per_request, by_primary.entry(primary.clone()).or_default()] {
            counts.total += 1;
            counts.by_primary += u64::from(by == Some(primary));
            counts.by_fallback += u64::from(by.is_some_and(|by| by != primary));
        }
    }
    let stats = &played.stats;
    let counted = (stats.answered, stats.cached, stats.per_request);
    if counted != (answered, cached, per_request) {
        wrong.push(format!("counts {counted:?}, received {:?}", (answered, cached, per_request)));
    }
    for (id, target) in &stats.targets {
        let requests = by_primary.remove(id).unwrap_or_default();
        let expected = (requests.total, requests.primary_success_rate(), requests.fallback_rate());
        let counted = (target.primary_requests, target.primary_success_rate, target.fallback_rate);
        if counted != expected {
            wrong.push(format!("{id} as primary counts {counted:?}, received {expected:?}"));
        }
    }
}

fn blocked_by(report: &Report) -> Option<&TargetId> {
    let blocked = |row: &&Attempt| matches!(row.end, AttemptEnd::Blocked { .. });
    report.trace.rows().iter().find(blocked).map(|row| &row.target)
}

/// The primary is the first target of the router's plan, and nothing was tried before it.
fn primary(world: &World, record: &Record) -> Option<String> {
    let (plan, report) = (record.plan.as_ref()?, &record.report);
    let first = plan.order.first().map(|ranked| &ranked.target);
    if !has_lower_levels(world) && report.primary.as_ref() != first {
        return Some(format!("the primary is {:?}", report.primary));
    }
    let tried = report.trace.rows().iter().find(|row| {
        report.primary.as_ref() == Some(&row.target) || !matches!(row.end, AttemptEnd::Skipped { .. })
    });
    let is_first = tried.is_none_or(|row| report.primary.as_ref() == Some(&row.target));
    (!is_first).then(|| format!("{:?} was not tried first", report.primary))
}

/// Without concurrency, every change of the target is a hop. An inadmissible target is not tried.
fn hops(world: &World, record: &Record) -> Option<String> {
    let plan = record.plan.as_ref()?;
    if world.route.strategy.is_concurrent() || has_lower_levels(world) {
        return None;
    }
    let is_excluded = |row: &&Attempt| {
        matches!(row.end, AttemptEnd::Skipped { why: Skip::Inadmissible(_), .. })
            && plan.inadmissible.iter().any(|excluded| excluded.target == row.target)
    };
    let rows = record.report.trace.rows();
    // The plan of the rest is not recorded, which may exclude others.
    let is_resumed = rows.iter().any(|row| row.next == Next::Resume);
    if is_resumed
        && rows.iter().any(|row| matches!(row.end, AttemptEnd::Skipped { why: Skip::Inadmissible(_), .. }))
    {
        return None;
    }
    let tried: Vec<_> = rows.iter().filter(|row| !is_excluded(row)).collect();
    let moves = tried.windows(2).filter(|pair| pair[0].target != pair[1].target).count();
    (record.report.hops as usize != moves).then(|| format!("{} hops, {moves} moves", record.report.hops))
}

/// Returns true if a request may be served below the full level, by configuration or by an operator.
fn has_lower_levels(world: &World) -> bool {
    if world.forced.is_some() {
        return true;
    }
    let routes = [Some(&world.route), world.cheap.as_ref()];
    routes.into_iter().flatten().any(|route| route.ladder.reduced.is_some() || route.ladder.minimal.is_some())
}
