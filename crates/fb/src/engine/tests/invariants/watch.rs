//! Who listens while a world is played, and looks at what its tenants used at every step.

use std::{
    future::{Future, poll_fn},
    pin::pin,
};

use fb_core::{Attempt, Event, Observer, Report};
use fb_testkit::Script;
use parking_lot::Mutex;

use crate::Client;

/// What an observer heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// Rows, each when it was complete.
    pub(super) rows: Vec<Attempt>,
    /// Reports of requests that were over, and for whom they were made.
    pub(super) reports: Vec<(Option<String>, Report)>,
}

/// What tenants had used and held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// Calls that providers had seen begin, and end.
    pub(super) begun: u32,
    pub(super) over: u32,
    /// Whether nobody was in the middle of a step: then the books and what providers saw agree.
    pub(super) between: bool,
    pub(super) tenants: Vec<(String, Spent)>,
}

/// What one tenant had used and held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) day: u64,
    pub(super) month: u64,
    pub(super) total: u64,
    pub(super) reserved: u64,
    pub(super) in_flight: u64,
    /// Tokens of the last minute.
    pub(super) minute: u64,
    /// Calls that were billed, be it with nothing.
    pub(super) billed: u64,
    /// Tokens that were billed.
    pub(super) tokens: u64,
    pub(super) requests: u64,
    pub(super) refused: u64,
}

/// Hears everything; looks where a world has tenants.
#[derive(Default)]
pub(super) struct Watch {
    heard: Mutex<Heard>,
    looks: Mutex<Vec<Look>>,
    seen: Mutex<Option<(Client, Script)>>,
}

impl Watch {
    /// Looks at them from now on.
    pub(super) fn begin(&self, client: &Client, script: &Script) {
        *self.seen.lock() = Some((client.clone(), script.clone()));
    }

    /// The last look, and all that was seen and heard. Lets go of the client, which holds its observer.
    pub(super) fn end(&self) -> (Heard, Vec<Look>) {
        self.look(true);
        *self.seen.lock() = None;
        (self.heard.lock().clone(), std::mem::take(&mut *self.looks.lock()))
    }

    /// Looks after each step of the future.
    pub(super) async fn steps<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let polled = future.as_mut().poll(context);
            self.look(true);
            polled
        })
        .await
    }

    fn look(&self, between: bool) {
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
        let look = Look { begun, over: begun - under_way, between, tenants: tenants.collect() };
        let mut looks = self.looks.lock();
        if looks.last() != Some(&look) {
            looks.push(look);
        }
    }
}

impl Observer for Watch {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::Ended { attempt, .. } => self.heard.lock().rows.push((*attempt).clone()),
            Event::Finished { tenant, report, .. } => {
                self.heard.lock().reports.push((tenant.map(str::to_owned), (*report).clone()));
            }
            Event::Started { .. } => {}
            _ => return,
        }
        self.look(false);
    }
}
