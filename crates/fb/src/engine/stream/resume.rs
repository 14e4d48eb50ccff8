//! Resumes a stream that broke after its first output: requests the rest of the answer from another target.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{Block, ChatRequest, Envelope, Format, Level, Message, Role, TargetId};

use super::super::{
    context::{Mode, RequestContext},
    directory::Directory,
    outcome::{CommittedStream, TargetOutcome},
    race::{Start, race},
    record::RequestRecord,
    route_state::RouteState,
    state::Engine,
};
use crate::clock::now;

/// The instruction to a model that continues the answer of another.
const CONTINUE: &str = "Your answer was cut off. Continue it exactly where it stopped. Do not repeat, correct or introduce anything.";

/// The means to request the rest of an answer.
pub(super) struct Resume {
    engine: Arc<Engine>,
    directory: Arc<Directory>,
    route: Arc<RouteState>,
    request: ChatRequest,
}

/// The result of an attempt to resume a stream.
pub(super) enum Resumed {
    /// A target continues where the answer stopped.
    Stream(Box<CommittedStream>),
    /// A target refused the rest.
    Blocked(Box<Block>),
    /// No target continues: the break stands.
    Failed,
}

impl Resume {
    /// Returns the means to resume a stream, if the route enables that and the answer can be put together from two: not with
    /// a schema, a lower level or quality gates, which apply to a single answer.
    pub(super) fn for_request(engine: &Arc<Engine>, ctx: RequestContext<'_>) -> Option<Self> {
        let RequestContext { directory, route, request, .. } = ctx;
        let is_whole = ctx.record.level() == Level::Full && route.gates.is_empty();
        let is_text = || request.chat().is_ok_and(|chat| matches!(chat.format, Format::Text));
        (route.config.resume && is_whole && is_text()).then(|| Self {
            engine: Arc::clone(engine),
            directory: Arc::clone(directory),
            route: Arc::clone(route),
            request: request.clone(),
        })
    }

    /// Requests the rest of an answer after `text`. The target that broke is tried last. Calls count against the attempts of
    /// the request, and time against the rest of the stream's, at most the route's deadline.
    pub(super) async fn run(
        self: Arc<Self>,
        record: Arc<RequestRecord>,
        text: String,
        broken: TargetId,
        end: Instant,
    ) -> Resumed {
        let Self { engine, directory, route, request } = &*self;
        let (Some(request), at) = (continuation(request, text), now()) else { return Resumed::Failed };
        let left = end.saturating_duration_since(at).min(route.config.effective_deadline());
        if left < Duration::from_millis(1) {
            return Resumed::Failed;
        }
        let envelope = Envelope::new(at, left, route.config.max_attempts, route.targets.len());
        let ctx = engine.context(&request, Mode::Stream, (directory, route), &record, envelope);
        let ctx = RequestContext { deadline_shortened: false, ..ctx };
        let mut targets = engine.select(ctx).targets;
        targets.retain(|target| target.capabilities().streaming);
        targets.sort_by_key(|target| *target.id() == broken);
        record.leave(&broken);
        match race(ctx, &targets, Start::SEQUENTIAL).await {
            TargetOutcome::Stream(committed) => Resumed::Stream(committed),
            TargetOutcome::Blocked(_, block) => Resumed::Blocked(block),
            TargetOutcome::Reply(..) | TargetOutcome::Surfaced(_) | TargetOutcome::MoveOn => Resumed::Failed,
        }
    }
}

/// Returns the request extended by the text so far and the instruction to continue it.
fn continuation(request: &ChatRequest, text: String) -> Option<ChatRequest> {
    let mut chat = request.chat().ok()?.clone();
    chat.messages.push(Message::text(Role::Assistant, text));
    chat.messages.push(Message::text(Role::User, CONTINUE));
    let continued = ChatRequest::from_chat(request.head().model.clone(), chat);
    Some(continued.with_options(request.options().clone()))
}
