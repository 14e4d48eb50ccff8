//! The controls of a running simulator.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::counters::{Counters, Log, Recorded};
use crate::dialect::Dialect;
use crate::door::Door;
use crate::fault::Fault;
use crate::reply::SimReply;

/// Controls a [`Sim`](crate::Sim) from anywhere. A clone controls the same one.
///
/// A handle doesn't keep the simulator alive; when that is gone, a handle reads its last counters.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dialect: Dialect,
    pub(crate) door: Door,
    pub(crate) log: Arc<Log>,
    faults: Mutex<Faults>,
    reply: Mutex<SimReply>,
    /// When the fault in force goes by itself.
    pub(crate) heal_at: watch::Sender<Option<Instant>>,
    /// Tells connections to end after the answer they are at.
    pub(crate) leave: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Faults {
    standing: Option<Fault>,
    queue: VecDeque<(u32, Fault)>,
}

impl Faults {
    fn next(&mut self, counted: bool) -> Option<Fault> {
        match self.queue.front_mut() {
            Some((left, fault)) if counted => {
                let fault = fault.clone();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.queue.pop_front();
                }
                Some(fault)
            }
            _ => self.standing.clone(),
        }
    }

    fn upcoming(&self) -> Option<&Fault> {
        self.queue.front().map(|(_, fault)| fault).or(self.standing.as_ref())
    }
}

impl Handle {
    pub(crate) fn new(dialect: Dialect, door: Door) -> Self {
        let shared = Shared {
            dialect,
            door,
            log: Arc::default(),
            faults: Mutex::default(),
            reply: Mutex::default(),
            heal_at: watch::Sender::default(),
            leave: watch::Sender::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The dialect spoken.
    pub fn dialect(&self) -> Dialect {
        self.shared.dialect
    }

    /// Fails each following request so, and each probe such as `GET /v1/models`, until changed. Forgets what is
    /// queued.
    pub fn fault(&self, fault: Fault) {
        self.shared.fault(fault, None);
    }

    /// Like [`fault`](Self::fault), and heals after `time`.
    pub fn fault_for(&self, time: Duration, fault: Fault) {
        self.shared.fault(fault, Some(Instant::now() + time));
    }

    /// Fails the next `count` inference requests so, after those already queued and before the standing fault
    /// comes back, if there is one. Probes don't use up the queue.
    pub fn fault_next(&self, count: u32, fault: Fault) {
        self.shared.fault_next(count, fault);
    }

    /// Forgets every fault, also the queued; listens again after [`Fault::Refuse`]. A connection that stalls
    /// stays so.
    pub fn heal(&self) {
        self.shared.heal();
    }

    /// What healthy answers say from now on.
    pub fn reply(&self, reply: SimReply) {
        *self.shared.reply.lock() = reply;
    }

    /// Inference requests that arrived, whatever became of them.
    pub fn calls(&self) -> u64 {
        self.counters().calls
    }

    /// Requests in flight.
    pub fn open(&self) -> u64 {
        self.counters().open
    }

    /// All the counts at one moment.
    pub fn counters(&self) -> Counters {
        self.shared.log.counters()
    }

    /// The last 1024 requests, oldest first; fewer when their bodies are large. Requests to `/sim` are not
    /// among them.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log.records()
    }

    /// Forgets requests and counts, but for those in flight.
    pub fn reset_counters(&self) {
        self.shared.log.reset();
    }

    /// Waits until the counts are as wanted; wrap it in a timeout.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait_until(&self, condition: impl FnMut(&Counters) -> bool) -> Counters {
        self.shared.log.wait_until(condition).await
    }
}

impl Shared {
    pub(crate) fn fault(&self, fault: Fault, heal_at: Option<Instant>) {
        let refuse = fault == Fault::Refuse;
        *self.faults.lock() = Faults { standing: Some(fault), queue: VecDeque::new() };
        self.heal_at.send_replace(heal_at);
        if refuse {
            self.door.shut();
            self.leave.send_replace(());
        } else {
            self.door.open();
        }
    }

    pub(crate) fn fault_next(&self, count: u32, fault: Fault) {
        if count == 0 {
            return;
        }
        if fault == Fault::Refuse {
            return self.fault(fault, None);
        }
        self.faults.lock().queue.push_back((count, fault));
    }

    pub(crate) fn heal(&self) {
        drop(mem::take(&mut *self.faults.lock()));
        self.heal_at.send_replace(None);
        self.door.open();
    }

    pub(crate) fn current_reply(&self) -> SimReply {
        self.reply.lock().clone()
    }

    /// The fault in force for the next inference request.
    pub(crate) fn upcoming_fault(&self) -> Option<Fault> {
        self.faults.lock().upcoming().cloned()
    }

    /// The fault for a request that has arrived.
    pub(crate) fn take_fault(&self, inference: bool) -> Option<Fault> {
        self.faults.lock().next(inference)
    }

    /// The fault for a connection that has arrived, if it leaves no time for a request.
    pub(crate) fn take_accept_fault(&self) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let early = matches!(faults.upcoming(), Some(Fault::ResetOnAccept | Fault::CloseOnAccept));
        early.then(|| faults.next(true)).flatten()
    }
}
