//! A streamed answer, from the commit of its stream to its end.

mod collect;
mod continuation;
mod guard;
mod resume;
mod seam;

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use fb_core::{
    Block, BlockCategory, ChatRequest, Failure, FailureKind, FinishReason, Frame, FrameStream, Meta, Next,
    Reply, Report, RequestError, ServedBy, StreamEvent, TargetId, Usage,
};
use futures_core::Stream;
use futures_util::StreamExt;

use self::{
    collect::{fold, to_events},
    continuation::{Continuation, Held, text_only},
    guard::Guard,
    resume::{BreakOff, Resume, Resumed},
    seam::Form,
};
use super::{
    cache::Recorder,
    context::RequestContext,
    inspect::quality_failure,
    open_call::OpenCall,
    outcome::{CommittedStream, OpenedStream},
    record::RequestRecord,
    route_state::RouteState,
    spend::output_bytes,
    state::Engine,
};
use crate::{Answer, Ended, Error, ErrorCode, clock::now};

/// A streamed answer: frames in order, each with its events and, if it was passed through, its bytes.
///
/// The stream ends with `None` only after the provider signalled that the answer is complete and nothing was blocked. A
/// break after the first output is [`Error::Interrupted`]; a block is [`Error::Blocked`], after the frames that carry it.
///
/// # Cancel safety
///
/// Dropping the stream cancels the upstream call and frees its breaker permit. The tokens streamed so far are charged.
pub struct ChatStream {
    meta: Meta,
    /// Frames received before the stream was handed out.
    buffered: VecDeque<Frame>,
    source: Source,
}

enum Source {
    Live(Box<Live>),
    /// A whole answer, replayed as a stream.
    Replayed(Box<Report>),
}

/// A stream that a provider is still writing.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact about the stream")]
struct Live {
    record: Arc<RequestRecord>,
    rest: Option<FrameStream>,
    guard: Guard,
    /// The call to settle when the stream ends. Dropped unsettled, the caller left.
    call: Option<OpenCall>,
    usage: Option<Usage>,
    /// The text so far: the partial answer of a block, and the start of a resumed answer.
    text: String,
    block: Option<Block>,
    done: bool,
    recorder: Option<Recorder>,
    /// The means to resume the stream when it breaks, if that is allowed.
    resume: Option<Arc<Resume>>,
    resuming: Option<Pin<Box<dyn Future<Output = Resumed> + Send>>>,
    /// The provider's id of the answer.
    answer_id: Option<String>,
    /// True if all output so far is text.
    is_text: bool,
    inspection: Option<Inspection>,
    /// The target and the failure that interrupted the stream, until another target goes on with it.
    interruption: Option<(TargetId, Failure)>,
    /// The targets with a broken stream, the latest last.
    broken: Vec<TargetId>,
    /// The targets that did not go on from the text.
    unfit: Vec<TargetId>,
    /// The answer of the target that is to go on, until it does.
    continuation: Option<Continuation>,
    /// True once another target has resumed the stream.
    resumed: bool,
    /// True once a finish reason was received: there is nothing left to resume.
    finished: bool,
    /// Bytes of output from the current target.
    output_bytes: usize,
    /// Frames received from the target that is to resume the stream.
    received: VecDeque<Frame>,
    /// Frames of a block in place of the rest.
    queued: VecDeque<Frame>,
}

/// The check of a streamed answer against the quality gates when it is complete.
struct Inspection {
    route: Arc<RouteState>,
    request: ChatRequest,
    /// The reply as far as it was received.
    reply: Reply,
}

impl Inspection {
    fn new(ctx: RequestContext<'_>) -> Self {
        Self { route: Arc::clone(ctx.route), request: ctx.request.clone(), reply: Reply::default() }
    }
}

impl ChatStream {
    pub(super) fn new(
        engine: &Arc<Engine>,
        ctx: RequestContext<'_>,
        committed: CommittedStream,
        recorder: Option<Recorder>,
    ) -> Self {
        let resume = Resume::for_request(engine, ctx);
        let inspection = (!ctx.route.gates.is_empty()).then(|| Inspection::new(ctx));
        let CommittedStream { stream: OpenedStream { meta, frames, rest }, call } = committed;
        let live = Live {
            record: Arc::clone(ctx.record),
            rest: Some(rest),
            guard: Guard::new(&ctx.route.config, call.idle, now()),
            call: Some(call),
            usage: None,
            text: String::new(),
            block: None,
            done: false,
            recorder,
            resume: resume.map(Arc::new),
            resuming: None,
            answer_id: None,
            is_text: true,
            inspection,
            interruption: None,
            broken: Vec::new(),
            unfit: Vec::new(),
            continuation: None,
            resumed: false,
            finished: false,
            output_bytes: 0,
            received: VecDeque::new(),
            queued: VecDeque::new(),
        };
        Self { meta, buffered: frames, source: Source::Live(Box::new(live)) }
    }

    /// Replays a whole answer as a stream.
    pub(crate) fn from_answer(answer: Answer) -> Self {
        let Answer { reply, report } = answer;
        let frames = to_events(&reply).into_iter().map(Frame::event);
        Self::replay(reply.meta, frames, report)
    }

    /// Replays recorded frames as a stream.
    pub(super) fn replay(meta: Meta, frames: impl Iterator<Item = Frame>, report: Report) -> Self {
        Self { meta, buffered: frames.collect(), source: Source::Replayed(Box::new(report)) }
    }

    /// Returns the metadata that came with the head of the answer.
    pub const fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Returns the report so far, which is complete once the stream has ended.
    pub fn report(&self) -> Report {
        match &self.source {
            Source::Live(live) => live.record.report(),
            Source::Replayed(report) => (**report).clone(),
        }
    }

    /// Reads the stream to its end and folds it into an answer.
    ///
    /// # Errors
    ///
    /// Returns the error that ends the stream: [`Error::Interrupted`] or [`Error::Blocked`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the upstream call.
    pub async fn collect(mut self) -> Result<Answer, Error> {
        let mut reply = Reply { meta: self.meta.clone(), ..Reply::default() };
        while let Some(frame) = self.next().await {
            for event in frame?.events {
                fold(&mut reply, event);
            }
        }
        Ok(Answer { reply, report: self.report() })
    }
}

impl Stream for ChatStream {
    type Item = Result<Frame, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let buffered = this.buffered.pop_front();
        match (&mut this.source, buffered) {
            (Source::Live(live), Some(frame)) => {
                if let Some(failure) = live.inspect(&frame) {
                    this.buffered.clear();
                    return Poll::Ready(live.fail(failure));
                }
                live.record_output(output_bytes(&frame));
                live.record_frame(&frame);
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
                self.record_frame(&frame);
                return Poll::Ready(Some(Ok(frame)));
            }
            match self.resuming.as_mut() {
                Some(resuming) => match ready!(resuming.as_mut().poll(cx)) {
                    Resumed::Stream(committed, form) => self.continue_with(*committed, form),
                    Resumed::Blocked(block) => self.block_rest(*block),
                    Resumed::Failed => return Poll::Ready(self.give_up()),
                },
                None => match ready!(self.poll_rest(cx)) {
                    Some(Err(failure)) if self.may_resume() => self.start_resuming(failure),
                    Some(Err(failure)) => return Poll::Ready(self.fail(failure)),
                    Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                    None => return Poll::Ready(self.end()),
                },
            }
        }
    }

    /// Returns the next frame from the current target; `None` after its end signal.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Failure>>> {
        loop {
            let next = match self.received.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => match &mut self.rest {
                    Some(rest) => rest.as_mut().poll_next(cx),
                    None => return Poll::Ready(None),
                },
            };
            if self.done {
                // One more poll lets the connection see its own end and return to the pool.
                return Poll::Ready(None);
            }
            match next {
                Poll::Ready(Some(Ok(frame))) => match self.receive(frame) {
                    Ok(None) => {}
                    received => return Poll::Ready(received.transpose()),
                },
                Poll::Ready(Some(Err(failure))) => return Poll::Ready(Some(Err(failure))),
                Poll::Ready(None) => {
                    let detail = "the stream ended without its provider's end signal";
                    return Poll::Ready(Some(Err(Failure::new(FailureKind::Interrupted, detail))));
                }
                Poll::Pending => return self.guard.poll(cx).map(|failure| Some(Err(failure))),
            }
        }
    }

    /// Receives a frame from the current target. Returns `None` while the frames of a continuation are held.
    fn receive(&mut self, frame: Frame) -> Result<Option<Frame>, Failure> {
        self.guard.record_frame(frame.is_semantic(), now());
        self.record_output(output_bytes(&frame));
        // What is held is charged too, even if it turns out to be another answer.
        for event in &frame.events {
            if let StreamEvent::Usage(usage) = event {
                self.usage = Some(*usage);
            }
        }
        let frame = match &mut self.continuation {
            Some(continuation) => match continuation.hold(frame, &self.text)? {
                Held::Frame(frame) => self.resume_with(frame),
                Held::Nothing => return Ok(None),
            },
            None if self.resumed => text_only(frame)?,
            None => frame,
        };
        if let Some(failure) = self.inspect(&frame) {
            return Err(failure);
        }
        self.record_frame(&frame);
        Ok(Some(frame))
    }

    /// Checks the answer against the quality gates when its end signal arrives, so that a defective answer never ends like
    /// a complete one.
    fn inspect(&mut self, frame: &Frame) -> Option<Failure> {
        let Inspection { route, request, reply } = self.inspection.as_mut()?;
        for event in &frame.events {
            match event {
                StreamEvent::Usage(usage) => self.usage = Some(*usage),
                StreamEvent::Finish(_) => self.finished = true,
                _ => {}
            }
            fold(reply, event.clone());
        }
        if self.block.is_some() || !frame.is_done() {
            return None;
        }
        let defect = route.gates.check(request.chat().ok()?, reply).err();
        if let Some(call) = &self.call {
            call.target().record_quality(defect.is_none(), now());
        }
        defect.as_ref().map(quality_failure)
    }

    /// Returns true if another target may resume the answer: plain text so far, and no part of a refusal.
    fn may_resume(&self) -> bool {
        let is_open = self.block.is_none() && !self.finished;
        self.resume.is_some() && self.is_text && !self.text.is_empty() && is_open
    }

    /// Leaves the target that broke, and starts to request the rest from another.
    fn start_resuming(&mut self, failure: Failure) {
        let (Some(resume), Some(call)) = (self.resume.clone(), &self.call) else { return };
        let (from, record) = (call.target().id().clone(), Arc::clone(&self.record));
        self.settle_failed(&failure, Next::Resume);
        record.leave(&from);
        self.received.clear();
        self.continuation = None;
        if failure.kind() == FailureKind::Quality {
            self.unfit.push(from.clone());
        } else {
            self.broken.retain(|id| *id != from);
            self.broken.push(from.clone());
        }
        self.interruption.get_or_insert((from, failure));
        let (broken, unfit) = (self.broken.clone(), self.unfit.clone());
        let break_off = BreakOff { text: self.text.clone(), broken, unfit };
        self.resuming = Some(Box::pin(resume.run(record, break_off, self.guard.end())));
    }

    /// Reads the stream of another target, which is held until it goes on from the text.
    fn continue_with(&mut self, committed: CommittedStream, form: Form) {
        let CommittedStream { stream, call } = committed;
        (self.resuming, self.recorder) = (None, None);
        (self.usage, self.output_bytes) = (None, 0);
        self.rest = Some(stream.rest);
        self.guard.record_frame(true, now());
        self.call = Some(call);
        self.continuation = Some(Continuation::new(form));
        self.received = stream.frames;
    }

    /// Marks the stream as resumed by the current target, which goes on with this frame.
    fn resume_with(&mut self, mut frame: Frame) -> Frame {
        (self.continuation, self.resumed) = (None, true);
        if let (Some(call), Some((from, _))) = (&self.call, self.interruption.take()) {
            let by = call.target().id().clone();
            self.record.set_served_by(ServedBy::Target(by.clone()));
            self.record.publish_resumed(&from, Some(&by));
            frame.events.insert(0, StreamEvent::Resumed { by, id: self.answer_id.clone() });
        }
        frame
    }

    /// Ends the stream with the failure that interrupted it, as no target resumed it.
    fn give_up(&mut self) -> Option<Result<Frame, Error>> {
        self.resuming = None;
        let (from, cause) = self.interruption.take()?;
        self.record.publish_resumed(&from, None);
        self.record.fail(None, |_| interrupted(&cause));
        Some(Err(Error::Interrupted(Box::new(Ended { cause, report: self.record.report(), reopens: None }))))
    }

    /// Ends the stream with the block of the target that was to resume it, in the same frames as any blocked stream.
    fn block_rest(&mut self, block: Block) {
        (self.resuming, self.interruption) = (None, None);
        self.record.fail(None, |_| BLOCKED);
        let reason = match block.category {
            BlockCategory::Input | BlockCategory::Output => FinishReason::ContentFilter,
            BlockCategory::Refusal => FinishReason::Refusal,
        };
        let events = vec![StreamEvent::Blocked(block), StreamEvent::Finish(reason), StreamEvent::Done];
        self.queued.push_back(Frame { raw: None, events });
    }

    /// Records a frame. The end signal settles the call before its frame is handed out, since callers stop polling at the
    /// last frame.
    fn record_frame(&mut self, frame: &Frame) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record_frame(frame);
        }
        for event in &frame.events {
            match event {
                StreamEvent::Text(text) => self.text.push_str(text),
                StreamEvent::Usage(usage) => {
                    self.usage = Some(*usage);
                    self.record_usage();
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
                    self.complete();
                }
                StreamEvent::Started { id, .. } => self.answer_id.clone_from(id),
                StreamEvent::Thinking(_) | StreamEvent::ToolCall(_) => self.is_text = false,
                StreamEvent::Finish(_) => {
                    self.finished = true;
                    self.record_usage();
                }
                StreamEvent::Resumed { .. } => {}
            }
        }
    }

    fn record_output(&mut self, bytes: usize) {
        // A frame without output must not replace the bytes recorded for the buffered frames.
        if bytes == 0 {
            return;
        }
        self.output_bytes += bytes;
        if let Some(call) = &mut self.call {
            call.record_output(self.output_bytes);
        }
    }

    fn record_usage(&mut self) {
        let finished = self.finished || self.continuation.as_ref().is_some_and(Continuation::is_finished);
        if let (Some(call), Some(usage)) = (&mut self.call, self.usage) {
            call.record_usage(usage, finished);
        }
    }

    /// Settles the call after the end signal, and finishes the request.
    fn complete(&mut self) {
        let Some(call) = self.call.take() else { return };
        if let Some(block) = &self.block {
            call.block(block.category, self.usage);
            self.record.fail(None, |_| BLOCKED);
        } else {
            if let Some(recorder) = self.recorder.take() {
                recorder.store(now());
            }
            call.succeed(self.usage);
            self.record.finish(None);
        }
    }

    /// Ends the stream after its end signal: with the block, if there was one.
    fn end(&mut self) -> Option<Result<Frame, Error>> {
        self.rest = None;
        let mut block = self.block.take()?;
        block.partial = std::mem::take(&mut self.text);
        block.usage = block.usage.or(self.usage);
        let report = self.record.report();
        Some(Err(Error::Blocked(Box::new(Ended { cause: block, report, reopens: None }))))
    }

    /// Ends a stream that broke off. A block received before counts more than the break.
    fn fail(&mut self, failure: Failure) -> Option<Result<Frame, Error>> {
        if self.block.is_some() {
            self.complete();
            return self.end();
        }
        if self.settle_failed(&failure, Next::Surface) {
            self.record.fail(None, |_| interrupted(&failure));
        }
        let ended = Ended { cause: failure, report: self.record.report(), reopens: None };
        Some(Err(Error::Interrupted(Box::new(ended))))
    }

    /// Settles the call of a stream that broke off. Returns false if it was settled before.
    fn settle_failed(&mut self, failure: &Failure, next: Next) -> bool {
        self.rest = None;
        self.record_usage();
        let Some(call) = self.call.take() else { return false };
        call.fail(failure, next);
        true
    }
}

/// The error of a block in a stream, which began with status 200.
const BLOCKED: RequestError = {
    let mut error = ErrorCode::ContentFilter.as_reported();
    error.status = 200;
    error
};

/// Returns the error of a stream that broke off, which began with status 200.
fn interrupted(cause: &Failure) -> RequestError {
    let mut error = ErrorCode::for_failure(cause).as_reported();
    error.status = 200;
    error
}

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream").field("report", &self.report()).finish_non_exhaustive()
    }
}
