use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use fb_core::{Call, CallError, ChatRequest, FailureKind, Frame, Reply, StreamEvent, Usage};
use parking_lot::{Mutex, MutexGuard};

/// One call, as its provider saw it.
#[derive(Debug, Clone)]
pub struct Made {
    /// What was asked.
    pub request: ChatRequest,
    /// Of which model.
    pub model: String,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// Which call of the whole script it was, from 0.
    pub place: u32,
    /// Words of the whole answer, when they were [signed](crate::ScriptedProvider::signed).
    pub words: usize,
    /// When it began, on tokio's clock.
    pub began: Instant,
    /// Calls to the same model that were under way when it began.
    pub beside: u32,
    /// When it ended, and how; `None` while it is under way.
    pub ended: Option<(Instant, Fate)>,
    /// Calls of the whole script that had ended when it began.
    pub after: u32,
    /// Calls of the whole script that had ended before it; `None` while it is under way.
    pub over: Option<u32>,
    /// Bytes of text, thinking, refusal, and names and arguments of tool calls handed out so far.
    pub said: usize,
    /// Tokens, once they were told.
    pub counted: Option<Usage>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// With a whole answer.
    Answered,
    /// With a failure, be it in the middle of a stream.
    Failed(FailureKind),
    /// With a block, whoever left after it was said.
    Blocked,
    /// A stream ended without its end signal.
    Cut,
    /// It was dropped before it was answered.
    Cancelled,
}

impl Fate {
    pub(crate) fn of(error: &CallError) -> Self {
        match error {
            CallError::Failed(failure) => Self::Failed(failure.kind()),
            CallError::Blocked(_) => Self::Blocked,
        }
    }
}

/// Calls of all providers of a script.
#[derive(Debug, Default)]
pub(crate) struct Places {
    begun: AtomicU32,
    ended: AtomicU32,
}

/// The calls of a provider, in order.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    made: Arc<Mutex<Vec<Made>>>,
    places: Arc<Places>,
}

impl Log {
    pub(crate) fn new(places: Arc<Places>) -> Self {
        Self { made: Arc::default(), places }
    }

    pub(crate) fn made(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock()
    }

    pub(crate) fn begin(&self, call: Call<'_>, streamed: bool) -> Flight {
        let mut made = self.made();
        let beside = made.iter().filter(|other| other.model == call.model && other.ended.is_none()).count();
        made.push(Made {
            request: call.request.clone(),
            model: call.model.to_owned(),
            streamed,
            place: self.places.begun.fetch_add(1, Ordering::Relaxed),
            words: 0,
            began: now(),
            beside: u32::try_from(beside).unwrap_or(u32::MAX),
            ended: None,
            after: self.places.ended.load(Ordering::Relaxed),
            over: None,
            said: 0,
            counted: None,
        });
        Flight { log: self.clone(), number: made.len() - 1, fate: Fate::Cancelled }
    }
}

/// A call under way; dropped before it landed, it was cancelled.
#[derive(Debug)]
pub(crate) struct Flight {
    log: Log,
    number: usize,
    /// How it ends when nothing more is said of it.
    fate: Fate,
}

impl Flight {
    /// Which call of the provider it is, from 0.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn count_words(&self, words: usize) {
        self.note(|made| made.words = words);
    }

    /// The answer to a plain call.
    pub(crate) fn answer(&self, answer: &Result<Reply, CallError>) {
        match answer {
            Ok(reply) => {
                let calls = reply.tool_calls.iter().map(|call| call.name.len() + call.arguments.len());
                self.tell(reply.text.len() + reply.thinking.len() + calls.sum::<usize>(), reply.usage);
            }
            Err(CallError::Blocked(block)) => self.tell(block.partial.len(), block.usage),
            Err(CallError::Failed(_)) => {}
        }
    }

    /// A frame of a stream.
    pub(crate) fn frame(&self, frame: &Frame) {
        for event in &frame.events {
            match event {
                StreamEvent::Text(text) | StreamEvent::Thinking(text) | StreamEvent::Refusal(text) => {
                    self.tell(text.len(), None);
                }
                StreamEvent::ToolCall(delta) => {
                    self.tell(delta.name.as_ref().map_or(0, String::len) + delta.arguments.len(), None);
                }
                StreamEvent::Usage(usage) => self.tell(0, Some(*usage)),
                StreamEvent::Started { .. }
                | StreamEvent::Finish(_)
                | StreamEvent::Blocked(_)
                | StreamEvent::Resumed { .. }
                | StreamEvent::Done => {}
            }
        }
    }

    fn tell(&self, said: usize, counted: Option<Usage>) {
        self.note(|made| {
            made.said += said;
            made.counted = counted.or(made.counted);
        });
    }

    fn note(&self, note: impl FnOnce(&mut Made)) {
        if let Some(made) = self.log.made().get_mut(self.number) {
            note(made);
        }
    }

    pub(crate) const fn block(&mut self) {
        self.fate = Fate::Blocked;
    }

    pub(crate) fn land(mut self, fate: Fate) {
        if self.fate != Fate::Blocked {
            self.fate = fate;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let over = self.log.places.ended.fetch_add(1, Ordering::Relaxed);
        self.note(|made| {
            made.ended = Some((now(), self.fate));
            made.over = Some(over);
        });
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
