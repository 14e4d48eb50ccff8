use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use fb_core::{Call, CallError, ChatRequest, FailureKind, Frame, Reply, StreamEvent, Usage};
use parking_lot::{Mutex, MutexGuard};

/// A call from the provider's side.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// The request.
    pub request: ChatRequest,
    /// The model that was called.
    pub model: String,
    /// The place of the API key among those of the provider.
    pub key: usize,
    /// `true` for a streamed call.
    pub streamed: bool,
    /// Index of the call within the script, from 0.
    pub index: u32,
    /// Number of words in the complete answer, if it was [signed](crate::ScriptedProvider::signed).
    pub words: usize,
    /// Start of the call on tokio's clock.
    pub began: Instant,
    /// Number of other calls to the same model in flight at the start of this one.
    pub concurrent: u32,
    /// Time and outcome of the end; `None` while the call is in flight.
    pub ended: Option<(Instant, CallOutcome)>,
    /// Number of calls of the script that had ended before this one started.
    pub ended_at_start: u32,
    /// Number of calls of the script that had ended before this one ended; `None` while it is in flight.
    pub ended_at_end: Option<u32>,
    /// Number of bytes returned so far: text, thinking, refusal, and names and arguments of tool calls.
    pub output_bytes: usize,
    /// The usage, once it was returned.
    pub usage: Option<Usage>,
}

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// A complete answer.
    Answered,
    /// A failure, before or inside a stream.
    Failed(FailureKind),
    /// A block, even if the caller cancelled the call after receiving it.
    Blocked,
    /// A stream without its end signal.
    Cut,
    /// Dropped before the answer was complete.
    Cancelled,
}

impl CallOutcome {
    pub(crate) fn from_error(error: &CallError) -> Self {
        match error {
            CallError::Failed(failure) => Self::Failed(failure.kind()),
            CallError::Blocked(_) => Self::Blocked,
        }
    }
}

/// Numbers of started and ended calls of all providers of a script.
#[derive(Debug, Default)]
pub(crate) struct CallCounters {
    begun: AtomicU32,
    ended: AtomicU32,
}

/// The calls of one provider, in order.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    records: Arc<Mutex<Vec<CallRecord>>>,
    counters: Arc<CallCounters>,
}

impl Log {
    pub(crate) fn new(counters: Arc<CallCounters>) -> Self {
        Self { records: Arc::default(), counters }
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Vec<CallRecord>> {
        self.records.lock()
    }

    /// Returns the number of calls to a model among the first `count` of all.
    pub(crate) fn calls_to(&self, model: &str, count: usize) -> usize {
        self.records().iter().take(count).filter(|record| record.model == model).count()
    }

    pub(crate) fn begin(&self, call: Call<'_>, streamed: bool) -> CallGuard {
        let mut records = self.records();
        let concurrent =
            records.iter().filter(|other| other.model == call.model && other.ended.is_none()).count();
        records.push(CallRecord {
            request: call.request.clone(),
            model: call.model.to_owned(),
            key: call.key.index,
            streamed,
            index: self.counters.begun.fetch_add(1, Ordering::Relaxed),
            words: 0,
            began: now(),
            concurrent: u32::try_from(concurrent).unwrap_or(u32::MAX),
            ended: None,
            ended_at_start: self.counters.ended.load(Ordering::Relaxed),
            ended_at_end: None,
            output_bytes: 0,
            usage: None,
        });
        CallGuard { log: self.clone(), number: records.len() - 1, outcome: CallOutcome::Cancelled }
    }
}

/// A guard for a call in flight. Dropping it unfinished records the call as cancelled.
#[derive(Debug)]
pub(crate) struct CallGuard {
    log: Log,
    number: usize,
    /// The outcome that is recorded on drop.
    outcome: CallOutcome,
}

impl CallGuard {
    /// Index of the call within the provider, from 0.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn set_words(&self, words: usize) {
        self.update(|record| record.words = words);
    }

    /// Records the answer to a plain call.
    pub(crate) fn answer(&self, answer: &Result<Reply, CallError>) {
        match answer {
            Ok(reply) => {
                let calls = reply.tool_calls.iter().map(|call| call.name.len() + call.arguments.len());
                self.add_output(reply.text.len() + reply.thinking.len() + calls.sum::<usize>(), reply.usage);
            }
            Err(CallError::Blocked(block)) => self.add_output(block.partial.len(), block.usage),
            Err(CallError::Failed(_)) => {}
        }
    }

    /// Records a frame of a stream.
    pub(crate) fn frame(&self, frame: &Frame) {
        for event in &frame.events {
            match event {
                StreamEvent::Text(text) | StreamEvent::Thinking(text) | StreamEvent::Refusal(text) => {
                    self.add_output(text.len(), None);
                }
                StreamEvent::ToolCall(delta) => {
                    self.add_output(delta.name.as_ref().map_or(0, String::len) + delta.arguments.len(), None);
                }
                StreamEvent::Usage(usage) => self.add_output(0, Some(*usage)),
                StreamEvent::Started { .. }
                | StreamEvent::Finish(_)
                | StreamEvent::Blocked(_)
                | StreamEvent::Resumed { .. }
                | StreamEvent::Done => {}
            }
        }
    }

    fn add_output(&self, bytes: usize, usage: Option<Usage>) {
        self.update(|record| {
            record.output_bytes += bytes;
            record.usage = usage.or(record.usage);
        });
    }

    fn update(&self, update: impl FnOnce(&mut CallRecord)) {
        if let Some(record) = self.log.records().get_mut(self.number) {
            update(record);
        }
    }

    pub(crate) const fn block(&mut self) {
        self.outcome = CallOutcome::Blocked;
    }

    pub(crate) fn finish(mut self, outcome: CallOutcome) {
        if self.outcome != CallOutcome::Blocked {
            self.outcome = outcome;
        }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let ended = self.log.counters.ended.fetch_add(1, Ordering::Relaxed);
        self.update(|record| {
            record.ended = Some((now(), self.outcome));
            record.ended_at_end = Some(ended);
        });
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
