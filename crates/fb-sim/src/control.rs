//! The controls of a running simulator.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::counters::{Counters, RecordedRequest, RequestLog};
use crate::dialect::Dialect;
use crate::fault::Fault;
use crate::listener::Listener;
use crate::reply::SimReply;

/// A handle that controls a [`Sim`](crate::Sim) from any task or thread. Clones control the same simulator.
///
/// A handle does not keep the simulator running. After the simulator was dropped, the handle returns its last counters.
#[derive(Debug, Clone)]
pub struct Handle {
    state: Arc<SimState>,
}

#[derive(Debug)]
pub(crate) struct SimState {
    pub(crate) dialect: Dialect,
    pub(crate) listener: Listener,
    pub(crate) log: Arc<RequestLog>,
    faults: Mutex<Faults>,
    reply: Mutex<SimReply>,
    next_replies: Mutex<VecDeque<SimReply>>,
    /// The time at which the current fault is removed automatically.
    pub(crate) heal_at: watch::Sender<Option<Instant>>,
    /// Makes connections close after their current answer.
    pub(crate) shutdown: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Faults {
    standing: Option<Fault>,
    /// The faults of the next inference requests; `None` answers them.
    queue: VecDeque<(u32, Option<Fault>)>,
    by_model: BTreeMap<String, Fault>,
    by_key: BTreeMap<String, Fault>,
    headers_by_key: BTreeMap<String, Vec<(String, String)>>,
}

impl Faults {
    /// Returns the fault of the model that the body of a request names.
    fn of_model(&self, body: &[u8]) -> Option<Fault> {
        if self.by_model.is_empty() {
            return None;
        }
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        self.by_model.get(body.get("model")?.as_str()?).cloned()
    }

    fn next(&mut self, counted: bool) -> Option<Fault> {
        match self.queue.front_mut() {
            Some((left, fault)) if counted => {
                let fault = fault.clone();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.queue.pop_front();
                }
                fault
            }
            _ => self.standing.clone(),
        }
    }

    fn upcoming(&self) -> Option<&Fault> {
        self.queue.front().map_or(self.standing.as_ref(), |(_, fault)| fault.as_ref())
    }
}

impl Handle {
    pub(crate) fn new(dialect: Dialect, listener: Listener) -> Self {
        let state = SimState {
            dialect,
            listener,
            log: Arc::default(),
            faults: Mutex::default(),
            reply: Mutex::default(),
            next_replies: Mutex::default(),
            heal_at: watch::Sender::default(),
            shutdown: watch::Sender::default(),
        };
        Self { state: Arc::new(state) }
    }

    pub(crate) fn state(&self) -> &Arc<SimState> {
        &self.state
    }

    /// The dialect of the simulated provider.
    pub fn dialect(&self) -> Dialect {
        self.state.dialect
    }

    /// Sets the fault of every following request, including probes such as `GET /v1/models`, until it is changed. Clears
    /// the queue of [`fault_next`](Self::fault_next).
    pub fn fault(&self, fault: Fault) {
        self.state.fault(fault, None);
    }

    /// Sets a fault like [`fault`](Self::fault), and removes it after `time`.
    pub fn fault_for(&self, time: Duration, fault: Fault) {
        self.state.fault(fault, Some(Instant::now() + time));
    }

    /// Queues a fault for `count` inference requests, after the faults already queued. Once the queue is empty, the fault
    /// set by [`fault`](Self::fault) applies again. Probes do not consume the queue.
    pub fn fault_next(&self, count: u32, fault: Fault) {
        self.state.fault_next(count, fault);
    }

    /// Sets the fault of every inference request for this model, before any other fault, until [`heal`](Self::heal) or
    /// another call of [`fault`](Self::fault). The model is the one named in the body, and its fault follows the request:
    /// [`Fault::Refuse`], which precedes it, closes the connection instead.
    pub fn fault_model(&self, model: impl Into<String>, fault: Fault) {
        self.state.faults.lock().by_model.insert(model.into(), fault);
    }

    /// Sets the fault of every inference request with this API key, like [`fault_model`](Self::fault_model) and before it.
    pub fn fault_key(&self, key: impl Into<String>, fault: Fault) {
        self.state.faults.lock().by_key.insert(key.into(), fault);
    }

    /// Sets the headers that are added to the answers to this API key, replacing headers of the same name, until
    /// [`heal`](Self::heal) or another call of [`fault`](Self::fault).
    pub fn answer_key<const N: usize>(&self, key: impl Into<String>, headers: [(&str, &str); N]) {
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.state.faults.lock().headers_by_key.insert(key.into(), headers.into());
    }

    /// Queues answers without a fault for `count` inference requests, after the faults already queued.
    pub fn answer_next(&self, count: u32) {
        self.state.queue_next(count, None);
    }

    /// Removes every fault, including queued ones, and reopens the listener after [`Fault::Refuse`]. Connections that are
    /// already stalled remain stalled.
    pub fn heal(&self) {
        self.state.heal();
    }

    /// Sets the content and speed of healthy answers from now on.
    pub fn reply(&self, reply: SimReply) {
        *self.state.reply.lock() = reply;
    }

    /// Queues the content of one healthy answer, after those already queued. Once the queue is empty, the content set by
    /// [`reply`](Self::reply) applies again.
    pub fn reply_next(&self, reply: SimReply) {
        self.state.next_replies.lock().push_back(reply);
    }

    /// Number of inference requests received, whatever their outcome.
    pub fn calls(&self) -> u64 {
        self.counters().calls
    }

    /// Number of requests in flight.
    pub fn open(&self) -> u64 {
        self.counters().open
    }

    /// A consistent snapshot of all counters.
    pub fn counters(&self) -> Counters {
        self.state.log.counters()
    }

    /// The last 1,024 requests, oldest first; fewer if their bodies exceed 256 MiB. Requests to `/sim` are not recorded.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.log.records()
    }

    /// Clears the recorded requests and the counters, except the number of requests in flight.
    pub fn reset_counters(&self) {
        self.state.log.reset();
    }

    /// Waits until the counters satisfy `condition`, and returns them. There is no limit, so wrap the call in a timeout.
    ///
    /// # Cancel safety
    /// Cancel safe: no state is changed.
    pub async fn wait_until(&self, condition: impl FnMut(&Counters) -> bool) -> Counters {
        self.state.log.wait_until(condition).await
    }
}

impl SimState {
    pub(crate) fn fault(&self, fault: Fault, heal_at: Option<Instant>) {
        let refuse = fault == Fault::Refuse;
        *self.faults.lock() = Faults { standing: Some(fault), ..Faults::default() };
        self.heal_at.send_replace(heal_at);
        if refuse {
            self.listener.close();
            self.shutdown.send_replace(());
        } else {
            self.listener.reopen();
        }
    }

    pub(crate) fn fault_next(&self, count: u32, fault: Fault) {
        if fault == Fault::Refuse && count > 0 {
            return self.fault(fault, None);
        }
        self.queue_next(count, Some(fault));
    }

    fn queue_next(&self, count: u32, fault: Option<Fault>) {
        if count > 0 {
            self.faults.lock().queue.push_back((count, fault));
        }
    }

    pub(crate) fn heal(&self) {
        drop(mem::take(&mut *self.faults.lock()));
        self.heal_at.send_replace(None);
        self.listener.reopen();
    }

    /// Takes the content of the next answer. Only inference requests consume the queue.
    pub(crate) fn take_reply(&self, inference: bool) -> SimReply {
        let next = if inference { self.next_replies.lock().pop_front() } else { None };
        next.unwrap_or_else(|| self.reply.lock().clone())
    }

    /// The fault of the next inference request, without consuming it.
    pub(crate) fn upcoming_fault(&self) -> Option<Fault> {
        self.faults.lock().upcoming().cloned()
    }

    /// Takes the fault for a request that has arrived.
    pub(crate) fn take_fault(&self, inference: bool, headers: &HeaderMap, body: &[u8]) -> Option<Fault> {
        let mut faults = self.faults.lock();
        if !inference {
            return faults.next(false);
        }
        let of_key = api_key(headers).and_then(|key| faults.by_key.get(key)).cloned();
        of_key.or_else(|| faults.of_model(body)).or_else(|| faults.next(true))
    }

    /// The headers that are added to the answer to a request with these headers.
    pub(crate) fn answer_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let faults = self.faults.lock();
        api_key(headers).and_then(|key| faults.headers_by_key.get(key)).cloned().unwrap_or_default()
    }

    /// Takes the fault for a new connection, if it applies before a request is read.
    pub(crate) fn take_accept_fault(&self) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let early = matches!(faults.upcoming(), Some(Fault::ResetOnAccept | Fault::CloseOnAccept));
        early.then(|| faults.next(true)).flatten()
    }
}

/// The API key of a request.
fn api_key(headers: &HeaderMap) -> Option<&str> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| header("x-api-key")).or_else(|| header("api-key"))
}
