use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use fb_core::{Call, CallError, ChatRequest, FailureKind};
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

/// The calls of a provider, in order.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    made: Arc<Mutex<Vec<Made>>>,
    /// Calls of all providers of the script.
    places: Arc<AtomicU32>,
}

impl Log {
    pub(crate) fn new(places: Arc<AtomicU32>) -> Self {
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
            place: self.places.fetch_add(1, Ordering::Relaxed),
            words: 0,
            began: now(),
            beside: u32::try_from(beside).unwrap_or(u32::MAX),
            ended: None,
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
        if let Some(made) = self.log.made().get_mut(self.number) {
            made.words = words;
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
        if let Some(made) = self.log.made().get_mut(self.number) {
            made.ended = Some((now(), self.fate));
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
