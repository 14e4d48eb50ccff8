//! The observer of a played world, which also records the usage of the tenants at every step.

use std::{
    future::{Future, poll_fn},
    pin::pin,
};

use fb_core::{Attempt, Event, Observer, Report, TargetId};
use fb_testkit::Script;
use parking_lot::Mutex;

use crate::Client;

/// The events that the observer received.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// Rows in the order in which they were completed.
    pub(super) rows: Vec<Attempt>,
    /// Finished requests, in order.
    pub(super) finished: Vec<Finished>,
    /// Moves from one target to another.
    pub(super) hops: Vec<Hop>,
}

/// A finished request, as its event describes it.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) tenant: Option<String>,
    pub(super) cancelled: bool,
    pub(super) coalesced: bool,
    pub(super) report: Report,
}

/// A move of a request from one target to another.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) tenant: Option<String>,
    pub(super) from: TargetId,
    pub(super) to: TargetId,
}

/// The spend and the reservations of the tenants at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The number of calls that had begun and ended at the providers.
    pub(super) begun: u32,
    pub(super) over: u32,
    /// True if no task was in the middle of a step, so that accounts and providers agree.
    pub(super) between: bool,
    pub(super) tenants: Vec<(String, Spent)>,
}

/// The spend and the reservations of one tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) day: u64,
    pub(super) month: u64,
    pub(super) total: u64,
    pub(super) reserved: u64,
    pub(super) in_flight: u64,
    /// Tokens in the last minute.
    pub(super) minute: u64,
    /// Settled calls, including those charged nothing.
    pub(super) billed: u64,
    /// Tokens charged.
    pub(super) tokens: u64,
    pub(super) requests: u64,
    pub(super) refused: u64,
}

/// Records all events, and the usage if the world has tenants.
#[derive(Default)]
pub(super) struct Watch {
    observed: Mutex<Observed>,
    snapshots: Mutex<Vec<Snapshot>>,
    seen: Mutex<Option<(Client, Script)>>,
}

impl Watch {
    /// Starts to record the usage of the tenants.
    pub(super) fn begin(&self, client: &Client, script: &Script) {
        *self.seen.lock() = Some((client.clone(), script.clone()));
    }

    /// Takes the last snapshot and returns everything recorded. Drops the client, which holds its observer.
    pub(super) fn end(&self) -> (Observed, Vec<Snapshot>) {
        self.take_snapshot(true);
        *self.seen.lock() = None;
        (self.observed.lock().clone(), std::mem::take(&mut *self.snapshots.lock()))
    }

    /// Takes a snapshot after each step of the future.
    pub(super) async fn steps<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let polled = future.as_mut().poll(context);
            self.take_snapshot(true);
            polled
        })
        .await
    }

    fn take_snapshot(&self, between: bool) {
        let Some((client, script)) = self.seen.lock().clone() else { return };
        let (mut begun, mut under_way) = (0, 0);
        for (_, provider) in script.providers() {
            begun += provider.calls();
            under_way += provider.in_flight();
        }
        let tenants = client.tenants().into_iter().map(|(name, used, _)| {
            let spent = Spent {
                day: used.day_nanos,
                month: used.month_nanos,
                total: used.total_nanos,
                reserved: used.reserved_nanos,
                in_flight: used.in_flight,
                minute: used.minute_tokens,
                billed: used.used.calls,
                tokens: used.used.tokens,
                requests: used.requests,
                refused: used.refused,
            };
            (name, spent)
        });
        let snapshot = Snapshot { begun, over: begun - under_way, between, tenants: tenants.collect() };
        let mut snapshots = self.snapshots.lock();
        if snapshots.last() != Some(&snapshot) {
            snapshots.push(snapshot);
        }
    }
}

impl Observer for Watch {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::Ended { attempt, .. } => self.observed.lock().rows.push((*attempt).clone()),
            Event::Finished { tenant, cancelled, coalesced, report, .. } => {
                let (tenant, report) = (tenant.map(str::to_owned), (*report).clone());
                let finished = Finished { tenant, cancelled: *cancelled, coalesced: *coalesced, report };
                self.observed.lock().finished.push(finished);
            }
            Event::Hop { tenant, from, to, .. } => {
                let tenant = tenant.map(str::to_owned);
                self.observed.lock().hops.push(Hop { tenant, from: (*from).clone(), to: (*to).clone() });
            }
            Event::Started { .. } => {}
            _ => return,
        }
        self.take_snapshot(false);
    }
}
