use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, Method};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

/// Maximum number of requests kept for [`requests`](crate::Handle::requests).
const RECORDS_MAX: usize = 1024;

/// Maximum size of the kept request bodies, so that a load test with images does not exhaust the memory.
const RECORDED_BYTES_MAX: usize = 256 << 20;

/// A request that the simulator received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// All headers as received. Credentials are kept for tests, but marked sensitive, so that `Debug` hides them.
    pub headers: HeaderMap,
    /// The complete body.
    pub body: Bytes,
    /// The current outcome.
    pub outcome: RequestOutcome,
}

impl RecordedRequest {
    /// The first header with this name, if its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    /// Returns an error if the body is not JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// The answer is not complete yet.
    Open,
    /// The answer was sent completely and no fault was set. This includes error responses (401, 404).
    Completed,
    /// The fault was applied, with or without an answer.
    Faulted,
    /// The client closed the connection before the end of the answer, whether a fault had stalled it or not.
    ClientLeft,
}

/// Counters since the start, or since [`reset_counters`](crate::Handle::reset_counters).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Inference requests received, whatever their outcome.
    pub calls: u64,
    /// All requests received, except those to `/sim`.
    pub requests: u64,
    /// Requests in flight.
    pub open: u64,
    /// Requests with the outcome [`RequestOutcome::Completed`].
    pub completed: u64,
    /// Requests with the outcome [`RequestOutcome::Faulted`].
    pub faulted: u64,
    /// Requests with the outcome [`RequestOutcome::ClientLeft`].
    pub client_left: u64,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    state: Mutex<LogState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct LogState {
    counters: Counters,
    records: VecDeque<RecordedRequest>,
    recorded_bytes: usize,
    /// Number of the last request. Numbers start at 1 and are never reused.
    last: u64,
    /// Number of the last request before the counters were reset. Outcomes of requests up to it are not counted.
    reset_after: u64,
}

impl RequestLog {
    /// Records a completely received request. The returned guard settles its outcome.
    pub(crate) fn record(self: &Arc<Self>, mut request: RecordedRequest, inference: bool) -> InFlightRequest {
        for name in [AUTHORIZATION.as_str(), "x-api-key", "api-key"] {
            if let Some(value) = request.headers.get_mut(name) {
                value.set_sensitive(true);
            }
        }
        let mut state = self.state.lock();
        state.last += 1;
        state.counters.requests += 1;
        state.counters.open += 1;
        state.counters.calls += u64::from(inference);
        state.push(request);
        let number = state.last;
        drop(state);
        self.changed.notify_waiters();
        InFlightRequest { log: Arc::clone(self), number, settled: false }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.state.lock().counters
    }

    pub(crate) fn records(&self) -> Vec<RecordedRequest> {
        self.state.lock().records.iter().cloned().collect()
    }

    pub(crate) fn reset(&self) {
        let mut state = self.state.lock();
        state.counters = Counters { open: state.counters.open, ..Counters::default() };
        state.records.clear();
        state.recorded_bytes = 0;
        state.reset_after = state.last;
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) async fn wait_until(&self, mut condition: impl FnMut(&Counters) -> bool) -> Counters {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Enable the notification before reading the counters, so that no change in between is missed.
            changed.as_mut().enable();
            let counters = self.counters();
            if condition(&counters) {
                return counters;
            }
            changed.await;
        }
    }

    fn settle(&self, number: u64, outcome: RequestOutcome) {
        self.state.lock().settle(number, outcome);
        self.changed.notify_waiters();
    }
}

impl LogState {
    fn push(&mut self, record: RecordedRequest) {
        self.recorded_bytes += record.body.len();
        self.records.push_back(record);
        while self.records.len() > RECORDS_MAX || self.recorded_bytes > RECORDED_BYTES_MAX {
            let Some(oldest) = self.records.pop_front() else { break };
            self.recorded_bytes -= oldest.body.len();
        }
    }

    fn settle(&mut self, number: u64, outcome: RequestOutcome) {
        self.counters.open = self.counters.open.saturating_sub(1);
        if number <= self.reset_after {
            return;
        }
        match outcome {
            RequestOutcome::Open => {}
            RequestOutcome::Completed => self.counters.completed += 1,
            RequestOutcome::Faulted => self.counters.faulted += 1,
            RequestOutcome::ClientLeft => self.counters.client_left += 1,
        }
        let back = usize::try_from(self.last - number).unwrap_or(usize::MAX);
        let index = self.records.len().checked_sub(1).and_then(|newest| newest.checked_sub(back));
        if let Some(record) = index.and_then(|index| self.records.get_mut(index)) {
            record.outcome = outcome;
        }
    }
}

/// A guard for a request in flight. Dropping it unsettled records that the client left.
#[derive(Debug)]
pub(crate) struct InFlightRequest {
    log: Arc<RequestLog>,
    number: u64,
    settled: bool,
}

impl InFlightRequest {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Settles the outcome. Only the first call has an effect.
    pub(crate) fn settle(&mut self, outcome: RequestOutcome) {
        if !self.settled {
            self.settled = true;
            self.log.settle(self.number, outcome);
        }
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.settle(RequestOutcome::ClientLeft);
    }
}
