use std::time::Duration;

use fb_core::{Next, TargetId};

use super::{
    Trip,
    target_state::Lane,
    attempts::{Entry, Visit, pause, visit},
};
use crate::{UnavailablePolicy, clock::now};

/// When every target was tried or barred: waits for the one that reopens first, if that is soon enough, then for
/// the next; each target at most once, also those that began to cool in this very request. If none reopens in
/// time, lets one call through to a target that this request has not called.
pub(super) async fn last_resort(trip: Trip<'_>, lanes: &[&Lane]) -> Visit {
    let mut tried: Vec<&TargetId> = Vec::new();
    while let Some((lane, wait)) = soonest(trip, lanes, &tried) {
        tried.push(lane.id());
        trip.run.amend(lane.id(), Next::WaitFor(wait));
        pause(wait).await;
        match visit(trip, lane, 0, true, Entry::Usual).await {
            Visit::Moved => {}
            ended => return ended,
        }
    }
    if trip.route.when_all_unavailable == UnavailablePolicy::Fail {
        return Visit::Moved;
    }
    let uncalled = lanes.iter().filter(|lane| {
        let barred = lane.reopens(trip, now()).is_some();
        barred && !trip.run.called(lane.id()) && trip.run.admits(lane.capabilities()).is_ok()
    });
    for lane in uncalled {
        match visit(trip, lane, 0, false, Entry::Bypass).await {
            // It could not be called after all, and one call there may be.
            Visit::Moved if !trip.run.called(lane.id()) => {}
            ended => return ended,
        }
    }
    Visit::Moved
}

/// The untried target that reopens first, if waiting for it fits the deadline and the route's patience.
fn soonest<'a>(trip: Trip<'_>, lanes: &[&'a Lane], tried: &[&TargetId]) -> Option<(&'a Lane, Duration)> {
    let at = now();
    let envelope = &trip.envelope;
    let fits = |wait: Duration| {
        wait <= trip.route.last_resort_wait && envelope.affords_retry(at, wait, trip.run.calls(), 0)
    };
    lanes
        .iter()
        .copied()
        .filter(|lane| !tried.contains(&lane.id()) && trip.run.admits(lane.capabilities()).is_ok())
        .filter_map(|lane| Some((lane, lane.wait(trip, at)?)))
        .filter(|(_, wait)| fits(*wait))
        .min_by_key(|(_, wait)| *wait)
}
