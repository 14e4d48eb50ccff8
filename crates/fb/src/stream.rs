mod collect;
mod guard;

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use fb_breaker::ProvisionalPermit;
use fb_budget::TokenPrices;
use fb_core::{
    AttemptEnd, Block, BlockCategory, ChatRequest, Failure, FailureKind, FinishReason, Frame, FrameStream,
    Meta, Next, Reply, Report, ServedBy, StreamEvent, TargetId, Usage,
};
use fb_quality::Gates;
use futures_core::Stream;

use crate::{
    Answer, Ended, Error, Route,
    clock::now,
    engine::{
        AttemptRecord, Committed, Recorder, RequestRecord, Resume, Resumed, Slot, Spend, TargetState,
        defective, said, weight,
    },
    stream::guard::Guard,
};

/// A streamed answer: frames in order, each with what it means and, when it was passed through, its bytes.
///
/// Ends with `None` only when the provider said that the answer is complete and nothing was blocked. A break after
/// the first output is [`Error::Interrupted`]; a block is [`Error::Blocked`], after the frames that say so.
/// Dropping the stream cancels the upstream call.
pub struct ChatStream {
    meta: Meta,
    held: VecDeque<Frame>,
    source: Source,
}

enum Source {
    Live(Box<Live>),
    /// A whole reply, played as a stream.
    Replayed(Box<Report>),
}

/// A stream that its provider still writes.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream")]
struct Live {
    record: Arc<RequestRecord>,
    rest: Option<FrameStream>,
    guard: Guard,
    books: Option<Books>,
    usage: Option<Usage>,
    /// Text so far: what a block's partial answer is.
    said: String,
    block: Option<Block>,
    done: bool,
    recorder: Option<Recorder>,
    /// How it goes on when it breaks, if it may.
    resume: Option<Arc<Resume>>,
    resuming: Option<Pin<Box<dyn Future<Output = Resumed> + Send>>>,
    /// The provider's id of the answer.
    started: Option<String>,
    /// Whether all that was said is text.
    is_text: bool,
    /// What its answer must hold, if it is looked at when it is whole.
    inspection: Option<Inspection>,
    /// Why the target before the one that is asked for did not end.
    broke: Option<Failure>,
    /// Whether another target has gone on.
    resumed: bool,
    /// Whether the answer said why it ended: there is nothing to go on with.
    finished: bool,
    /// Bytes of output from the target that writes now.
    written: usize,
    /// What the target that goes on has said already.
    queued: VecDeque<Frame>,
}

/// What an answer must hold, and what of it has come.
pub(crate) struct Inspection {
    pub(crate) gates: Arc<Gates>,
    pub(crate) request: ChatRequest,
    pub(crate) reply: Reply,
}

/// What must be told when the stream ends; dropped untold, the caller left.
struct Books {
    row: AttemptRecord,
    /// When the first output was there.
    opened: Instant,
    tail: ProvisionalPermit,
    prices: Option<TokenPrices>,
    spend: Option<Box<Spend>>,
    state: Arc<TargetState>,
    /// Its place among the calls to the target, until the stream ends.
    _slot: Slot,
}

impl ChatStream {
    pub(crate) fn new(
        committed: Committed,
        record: Arc<RequestRecord>,
        route: &Route,
        recorder: Option<Recorder>,
        resume: Option<Resume>,
        inspection: Option<Inspection>,
    ) -> Self {
        let Committed { held, tail, row, slot, prices, spend, state } = committed;
        let live = Live {
            record,
            rest: Some(held.rest),
            guard: Guard::new(route, now()),
            books: Some(Books { row, opened: now(), tail, prices, spend, state, _slot: slot }),
            usage: None,
            said: String::new(),
            block: None,
            done: false,
            recorder,
            resume: resume.map(Arc::new),
            resuming: None,
            started: None,
            is_text: true,
            inspection,
            broke: None,
            resumed: false,
            finished: false,
            written: 0,
            queued: VecDeque::new(),
        };
        Self { meta: held.meta, held: held.frames, source: Source::Live(Box::new(live)) }
    }

    /// Plays a whole reply as a stream.
    pub(crate) fn of(answer: Answer) -> Self {
        let Answer { reply, report } = answer;
        let frames = collect::events_of(&reply).into_iter().map(Frame::event);
        Self::replay(reply.meta, frames, report)
    }

    /// Plays what is all there.
    pub(crate) fn replay(meta: Meta, frames: impl Iterator<Item = Frame>, report: Report) -> Self {
        Self { meta, held: frames.collect(), source: Source::Replayed(Box::new(report)) }
    }

    /// What came with the head of the answer.
    pub const fn meta(&self) -> &Meta {
        &self.meta
    }

    /// What happened so far; complete once the stream has ended.
    pub fn report(&self) -> Report {
        match &self.source {
            Source::Live(live) => live.record.report(),
            Source::Replayed(report) => (**report).clone(),
        }
    }

    /// Reads to the end and folds the stream into an answer.
    ///
    /// # Errors
    /// As the stream's own: interrupted or blocked.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the upstream call.
    pub async fn collect(self) -> Result<Answer, Error> {
        collect::collect(self).await
    }
}

impl Stream for ChatStream {
    type Item = Result<Frame, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let held = this.held.pop_front();
        match (&mut this.source, held) {
            (Source::Live(live), Some(frame)) => {
                if let Some(failure) = live.inspect(&frame) {
                    this.held.clear();
                    return Poll::Ready(live.fail(failure));
                }
                live.note(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            (Source::Replayed(_), Some(frame)) => Poll::Ready(Some(Ok(frame))),
            (Source::Replayed(_), None) => Poll::Ready(None),
            (Source::Live(live), None) => live.poll(cx),
        }
    }
}

impl Live {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        loop {
            if let Some(frame) = self.queued.pop_front() {
                self.note(&frame);
                return Poll::Ready(Some(Ok(frame)));
            }
            match self.resuming.as_mut() {
                Some(resuming) => match ready!(resuming.as_mut().poll(cx)) {
                    Resumed::By(by, committed) => self.go_on(by, *committed),
                    Resumed::Blocked(block) => self.refuse(*block),
                    Resumed::Nobody => return Poll::Ready(self.give_up()),
                },
                None => match ready!(self.poll_rest(cx)) {
                    Some(Err(failure)) if self.may_resume() => self.break_off(failure),
                    Some(Err(failure)) => return Poll::Ready(self.fail(failure)),
                    Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                    None => return Poll::Ready(self.end()),
                },
            }
        }
    }

    /// The next frame of the stream as its target writes it; `None` after its end signal.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Failure>>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let next = rest.as_mut().poll_next(cx);
        if self.done {
            // One more poll lets the connection see its own end and go back to the pool.
            return Poll::Ready(None);
        }
        match next {
            Poll::Ready(Some(Ok(frame))) => {
                self.guard.heard(frame.is_semantic(), now());
                let frame = if self.resumed { further(frame) } else { frame };
                if let Some(failure) = self.inspect(&frame) {
                    return Poll::Ready(Some(Err(failure)));
                }
                self.note(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(failure))) => Poll::Ready(Some(Err(failure))),
            Poll::Ready(None) => {
                let detail = "the stream ended without its provider's end signal";
                Poll::Ready(Some(Err(Failure::new(FailureKind::Interrupted, detail))))
            }
            Poll::Pending => self.guard.poll(cx).map(|failure| Some(Err(failure))),
        }
    }

    /// Looks at the answer when its end signal comes: that is not handed out when it is not good enough.
    fn inspect(&mut self, frame: &Frame) -> Option<Failure> {
        let Inspection { gates, request, reply } = self.inspection.as_mut()?;
        for event in &frame.events {
            match event {
                StreamEvent::Usage(usage) => self.usage = Some(*usage),
                StreamEvent::Finish(_) => self.finished = true,
                _ => {}
            }
            collect::fold(reply, event.clone());
        }
        if self.block.is_some() || !frame.is_done() {
            return None;
        }
        let found = gates.check(request.chat().ok()?, reply).err();
        if let Some(books) = &self.books {
            books.state.record_quality(found.is_none(), now());
        }
        found.as_ref().map(defective)
    }

    /// Whether another target may go on with what was said: plain text, and no part of a refusal.
    fn may_resume(&self) -> bool {
        let is_open = self.block.is_none() && !self.finished;
        self.resume.is_some() && self.is_text && !self.said.is_empty() && is_open
    }

    /// Leaves the target whose stream broke, and asks for the rest.
    fn break_off(&mut self, failure: Failure) {
        let (Some(resume), Some(books)) = (self.resume.clone(), &self.books) else { return };
        let (broken, record) = (books.state.id().clone(), Arc::clone(&self.record));
        self.settle_broken(&failure, Next::Hop);
        self.broke = Some(failure);
        self.resuming = Some(Box::pin(resume.go_on(record, self.said.clone(), broken, self.guard.end())));
    }

    fn go_on(&mut self, by: TargetId, committed: Committed) {
        let Committed { held, tail, row, slot, prices, spend, state } = committed;
        (self.resuming, self.broke, self.recorder, self.resumed) = (None, None, None, true);
        (self.usage, self.written) = (None, 0);
        self.rest = Some(held.rest);
        self.guard.heard(true, now());
        self.books = Some(Books { row, opened: now(), tail, prices, spend, state, _slot: slot });
        self.record.serving(ServedBy::Target(by.clone()));
        self.queued.push_back(Frame::event(StreamEvent::Resumed { by, id: self.started.clone() }));
        self.queued.extend(held.frames.into_iter().map(further));
    }

    /// Nobody goes on.
    fn give_up(&mut self) -> Option<Result<Frame, Error>> {
        self.resuming = None;
        let cause = self.broke.take()?;
        self.record.finish(None);
        Some(Err(Error::Interrupted(Box::new(Ended { cause, report: self.record.report(), reopens: None }))))
    }

    /// Whoever was to go on refused: frames say so, as in any stream, and then its end.
    fn refuse(&mut self, block: Block) {
        (self.resuming, self.broke) = (None, None);
        self.record.finish(None);
        let why = match block.category {
            BlockCategory::Input | BlockCategory::Output => FinishReason::ContentFilter,
            BlockCategory::Refusal => FinishReason::Refusal,
        };
        let events = vec![StreamEvent::Blocked(block), StreamEvent::Finish(why), StreamEvent::Done];
        self.queued.push_back(Frame { raw: None, events });
    }

    /// Takes from a frame what the report needs. The books are closed on the end signal, before the frame is handed
    /// out: callers stop polling at the last frame.
    fn note(&mut self, frame: &Frame) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(frame);
        }
        self.wrote(said(frame));
        for event in &frame.events {
            match event {
                StreamEvent::Text(text) => self.said.push_str(text),
                StreamEvent::Usage(usage) => {
                    self.usage = Some(*usage);
                    self.counted();
                }
                StreamEvent::Blocked(block) => self.block = Some(block.clone()),
                StreamEvent::Refusal(text) => {
                    if let Some(block) = &mut self.block
                        && block.detail != *text
                    {
                        block.detail.push_str(text);
                    }
                }
                StreamEvent::Done => {
                    self.done = true;
                    self.close();
                }
                StreamEvent::Started { id, .. } => self.started.clone_from(id),
                StreamEvent::Thinking(_) | StreamEvent::ToolCall(_) => self.is_text = false,
                StreamEvent::Finish(_) => {
                    self.finished = true;
                    self.counted();
                }
                StreamEvent::Resumed { .. } => {}
            }
        }
    }

    /// So many bytes more came from the target that writes now.
    fn wrote(&mut self, bytes: usize) {
        // A frame without output takes nothing back of what the held ones said.
        if bytes == 0 {
            return;
        }
        self.written += bytes;
        if let Some(spend) = self.books.as_mut().and_then(|books| books.spend.as_mut()) {
            spend.record_output(self.written);
        }
    }

    /// Its provider has counted: whoever leaves now pays that.
    fn counted(&mut self) {
        let spend = self.books.as_mut().and_then(|books| books.spend.as_mut());
        if let (Some(spend), Some(usage)) = (spend, self.usage) {
            spend.record_usage(usage, self.finished);
        }
    }

    fn close(&mut self) {
        let Some(Books { row, opened, prices, spend, state, .. }) = self.books.take() else { return };
        if let Some(spend) = spend {
            spend.settle(self.usage);
        }
        let end = if let Some(block) = &self.block {
            state.count(|counts| counts.blocked += 1);
            AttemptEnd::Blocked { category: block.category, usage: self.usage }
        } else {
            state.count(|counts| counts.successes += 1);
            let (at, tokens) = (now(), self.usage.map_or(0, |usage| usage.output));
            state.health.record_throughput(tokens, at.saturating_duration_since(opened), at);
            if let Some(recorder) = self.recorder.take() {
                recorder.keep(at);
            }
            let cost = self.usage.and_then(|usage| prices.map(|prices| prices.cost(usage)));
            AttemptEnd::Ok { usage: self.usage, cost }
        };
        row.close(end, Next::Nothing);
        self.record.finish(None);
    }

    /// The end of a stream whose end signal came.
    fn end(&mut self) -> Option<Result<Frame, Error>> {
        self.rest = None;
        let mut block = self.block.take()?;
        block.partial = std::mem::take(&mut self.said);
        block.usage = block.usage.or(self.usage);
        Some(Err(Error::Blocked(Box::new(Ended {
            cause: block,
            report: self.record.report(),
            reopens: None,
        }))))
    }

    /// The end of a stream that broke.
    fn fail(&mut self, failure: Failure) -> Option<Result<Frame, Error>> {
        if self.block.is_some() {
            self.close();
            return self.end();
        }
        if self.settle_broken(&failure, Next::Surface) {
            self.record.finish(None);
        }
        let ended = Ended { cause: failure, report: self.record.report(), reopens: None };
        Some(Err(Error::Interrupted(Box::new(ended))))
    }

    /// Closes the books of a stream that broke; whether they were open.
    fn settle_broken(&mut self, failure: &Failure, next: Next) -> bool {
        self.rest = None;
        self.counted();
        let Some(Books { row, tail, spend, state, .. }) = self.books.take() else { return false };
        if let Some(spend) = spend {
            spend.settle(None);
        }
        let (kind, at) = (failure.kind(), now());
        let verdict = kind.consequences_after_commit().verdict;
        state.count(|counts| counts.record_failure(kind, at));
        state.record_failure(failure, verdict, at);
        if let Some(weight) = weight(verdict, None) {
            tail.failure(weight, at);
        }
        row.close(AttemptEnd::Failed(failure.clone()), next);
        true
    }
}

/// A frame of whoever goes on: its bytes belong to another answer, and the answer has begun long ago.
fn further(frame: Frame) -> Frame {
    let events = frame.events.into_iter().filter(|event| !matches!(event, StreamEvent::Started { .. }));
    Frame { raw: None, events: events.collect() }
}

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream").field("report", &self.report()).finish_non_exhaustive()
    }
}
