use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, Method};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

/// Requests kept for [`requests`](crate::Handle::requests).
const RECORDS_MAX: usize = 1024;

/// Bytes of request bodies kept; a load test with pictures must not eat the machine.
const RECORDED_BYTES_MAX: usize = 256 << 20;

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Every header as it came. Credentials are kept for tests but marked sensitive: `Debug` hides them.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// What became of it so far.
    pub outcome: Outcome,
}

impl Recorded {
    /// The first header of that name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Parses the body.
    ///
    /// # Errors
    /// If the body is no JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not answered to the end yet.
    Open,
    /// Answered in full with no fault in force; this includes refused requests (401, 404).
    Completed,
    /// Answered, or left unanswered, as the fault in force wants it.
    Faulted,
    /// The caller closed the connection before the end, stalled by a fault or not.
    ClientLeft,
}

/// Totals since the start, or since [`reset_counters`](crate::Handle::reset_counters).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Inference requests that arrived, whatever became of them.
    pub calls: u64,
    /// All requests that arrived, but for those to `/sim`.
    pub requests: u64,
    /// Requests in flight now.
    pub open: u64,
    /// Requests that ended [`Outcome::Completed`].
    pub completed: u64,
    /// Requests that ended [`Outcome::Faulted`].
    pub faulted: u64,
    /// Requests that ended [`Outcome::ClientLeft`].
    pub client_left: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    book: Mutex<Book>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Book {
    counters: Counters,
    records: VecDeque<Recorded>,
    recorded_bytes: usize,
    /// Number of the last request; numbers start at 1 and are never reused.
    last: u64,
    /// The last request before the counters were reset: what comes of it and of older ones isn't counted.
    reset_after: u64,
}

impl Log {
    /// Writes down a request that arrived in full. The ticket decides what becomes of it.
    pub(crate) fn arrive(self: &Arc<Self>, mut record: Recorded, inference: bool) -> Ticket {
        for name in [AUTHORIZATION.as_str(), "x-api-key", "api-key"] {
            if let Some(value) = record.headers.get_mut(name) {
                value.set_sensitive(true);
            }
        }
        let mut book = self.book.lock();
        book.last += 1;
        book.counters.requests += 1;
        book.counters.open += 1;
        book.counters.calls += u64::from(inference);
        book.push(record);
        let number = book.last;
        drop(book);
        self.changed.notify_waiters();
        Ticket { log: Arc::clone(self), number, settled: false }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.book.lock().counters
    }

    pub(crate) fn records(&self) -> Vec<Recorded> {
        self.book.lock().records.iter().cloned().collect()
    }

    pub(crate) fn reset(&self) {
        let mut book = self.book.lock();
        book.counters = Counters { open: book.counters.open, ..Counters::default() };
        book.records.clear();
        book.recorded_bytes = 0;
        book.reset_after = book.last;
        drop(book);
        self.changed.notify_waiters();
    }

    pub(crate) async fn wait_until(&self, mut condition: impl FnMut(&Counters) -> bool) -> Counters {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Enabled before the look, or a change between look and wait would be missed.
            changed.as_mut().enable();
            let counters = self.counters();
            if condition(&counters) {
                return counters;
            }
            changed.await;
        }
    }

    fn settle(&self, number: u64, outcome: Outcome) {
        self.book.lock().settle(number, outcome);
        self.changed.notify_waiters();
    }
}

impl Book {
    fn push(&mut self, record: Recorded) {
        self.recorded_bytes += record.body.len();
        self.records.push_back(record);
        while self.records.len() > RECORDS_MAX || self.recorded_bytes > RECORDED_BYTES_MAX {
            let Some(oldest) = self.records.pop_front() else { break };
            self.recorded_bytes -= oldest.body.len();
        }
    }

    fn settle(&mut self, number: u64, outcome: Outcome) {
        self.counters.open = self.counters.open.saturating_sub(1);
        if number <= self.reset_after {
            return;
        }
        match outcome {
            Outcome::Open => {}
            Outcome::Completed => self.counters.completed += 1,
            Outcome::Faulted => self.counters.faulted += 1,
            Outcome::ClientLeft => self.counters.client_left += 1,
        }
        let back = usize::try_from(self.last - number).unwrap_or(usize::MAX);
        let place = self.records.len().checked_sub(1).and_then(|newest| newest.checked_sub(back));
        if let Some(record) = place.and_then(|place| self.records.get_mut(place)) {
            record.outcome = outcome;
        }
    }
}

/// A request in flight. Dropped unsettled, its caller has left.
#[derive(Debug)]
pub(crate) struct Ticket {
    log: Arc<Log>,
    number: u64,
    settled: bool,
}

impl Ticket {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The first settlement counts.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        if !self.settled {
            self.settled = true;
            self.log.settle(self.number, outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.settle(Outcome::ClientLeft);
    }
}
