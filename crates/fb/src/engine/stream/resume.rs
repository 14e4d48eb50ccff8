//! Resumes a stream that broke after its first output: requests the rest of the answer from another target.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{Block, Chat, ChatRequest, Effort, Envelope, Format, Level, Message, Next, Role, TargetId};

use super::super::{
    admission::count_callable,
    context::{Mode, RequestContext},
    directory::Directory,
    last_resort::last_resort,
    outcome::{CommittedStream, TargetOutcome},
    position::Position,
    race::{Waiting, call_again, try_one},
    record::RequestRecord,
    retries::Retries,
    route_state::RouteState,
    route_target::RouteTarget,
    state::Engine,
};
use super::seam::{Form, last_words};
use crate::clock::now;

/// The means to request the rest of an answer.
pub(super) struct Resume {
    engine: Arc<Engine>,
    directory: Arc<Directory>,
    route: Arc<RouteState>,
    request: ChatRequest,
}

/// The state in which an answer broke off.
pub(super) struct BreakOff {
    /// The text that the caller has.
    pub(super) text: String,
    /// Targets with a broken stream, the latest last.
    pub(super) broken: Vec<TargetId>,
    /// Targets with a continuation that did not go on from the text.
    pub(super) unfit: Vec<TargetId>,
}

/// The result of an attempt to resume a stream.
pub(super) enum Resumed {
    /// A target answers, requested in this form.
    Stream(Box<CommittedStream>, Form),
    /// A target refused the rest.
    Blocked(Box<Block>),
    /// No target continues: the break stands.
    Failed,
}

impl Resume {
    /// Returns the means to resume a stream, if the route enables that and the answer can be put together from two: text
    /// without tools, a schema, a lower level or quality gates, which apply to a single answer.
    pub(super) fn for_request(engine: &Arc<Engine>, ctx: RequestContext<'_>) -> Option<Self> {
        let RequestContext { directory, route, request, .. } = ctx;
        let is_whole = ctx.record.level() == Level::Full && route.gates.is_empty();
        let is_text = |chat: &Chat| matches!(chat.format, Format::Text) && chat.tools.is_empty();
        (route.config.resume && is_whole && request.chat().is_ok_and(is_text)).then(|| Self {
            engine: Arc::clone(engine),
            directory: Arc::clone(directory),
            route: Arc::clone(route),
            request: request.clone(),
        })
    }

    /// Requests the rest of an answer. Targets that broke are tried last, and those that refused the request or did not go
    /// on are not tried. Calls count against the attempts of the request, and time against the rest of the stream's, at most
    /// the route's deadline.
    pub(super) async fn run(
        self: Arc<Self>,
        record: Arc<RequestRecord>,
        break_off: BreakOff,
        end: Instant,
    ) -> Resumed {
        let Self { engine, directory, route, request } = &*self;
        let BreakOff { text, broken, unfit } = break_off;
        let Ok(chat) = request.chat() else { return Resumed::Failed };
        let requests = Requests::new(request, chat, &text);
        let at = now();
        let left = end.saturating_duration_since(at).min(route.deadline(&requests.instruction, true).after);
        if left < Duration::from_millis(1) {
            return Resumed::Failed;
        }
        let envelope = Envelope::new(at, left, route.config.max_attempts, route.targets.len());
        let ctx = engine.context(&requests.instruction, Mode::Stream, (directory, route), &record, envelope);
        let ctx = RequestContext { deadline_shortened: false, ..ctx };
        let mut targets = engine.select(ctx).targets;
        let is_unfit = |id: &TargetId| unfit.contains(id) || record.was_refused(id);
        targets.retain(|target| target.capabilities().streaming && !is_unfit(target.id()));
        targets.sort_by_key(|target| broken.iter().rposition(|id| id == target.id()));
        let mut waiting = Vec::new();
        for (index, target) in targets.iter().enumerate() {
            let rest = targets.get(index + 1..).unwrap_or_default();
            let later = count_callable(ctx, rest.iter().copied());
            let elsewhere = later > 0 || !waiting.is_empty();
            let position = Position { later, is_followed: !rest.is_empty(), elsewhere, bypass: false };
            if let Some(resumed) = requests.send(ctx, target, position, &mut waiting).await {
                return resumed;
            }
        }
        // Those that failed in a way that may pass are called again, and one that rests is waited for.
        targets.retain(|target| !record.was_refused(target.id()));
        let outcome = match call_again(ctx, waiting).await {
            TargetOutcome::MoveOn => last_resort(ctx, &targets).await,
            outcome => outcome,
        };
        resumed(outcome, Form::Instruction).unwrap_or(Resumed::Failed)
    }
}

/// The requests for the rest of an answer.
struct Requests {
    /// For models that continue the last message, unless they are to think first.
    prefill: Option<ChatRequest>,
    instruction: ChatRequest,
}

impl Requests {
    fn new(request: &ChatRequest, chat: &Chat, text: &str) -> Self {
        // Whitespace at the end of a conversation is an error to some providers. The seam of the two texts restores it.
        let text = text.trim_end();
        let extended = |instruction: Option<String>| {
            let mut chat = chat.clone();
            chat.messages.push(Message::text(Role::Assistant, text));
            chat.messages.extend(instruction.map(|instruction| Message::text(Role::User, instruction)));
            let continued = ChatRequest::from_chat(request.head().model.clone(), chat);
            continued.with_options(request.options().clone())
        };
        let thinks = chat.effort.is_some_and(|effort| effort != Effort::None)
            || chat.extra.iter().any(|extra| extra.name == "thinking");
        Self {
            prefill: (!thinks && !text.is_empty()).then(|| extended(None)),
            instruction: extended(Some(instruction(text))),
        }
    }

    /// Requests the rest from one target. Returns `None` if it gives none.
    async fn send<'t>(
        &self,
        ctx: RequestContext<'_>,
        target: &'t RouteTarget,
        position: Position,
        waiting: &mut Vec<Waiting<'t>>,
    ) -> Option<Resumed> {
        let forms = [(self.prefill.as_ref(), Form::Prefill), (Some(&self.instruction), Form::Instruction)];
        for (request, form) in forms {
            let Some(request) =
                request.filter(|_| form == Form::Instruction || target.capabilities().prefill)
            else {
                continue;
            };
            let outcome =
                try_one(ctx.with_request(request), target, position, Retries::default(), waiting).await;
            match outcome {
                // The caller's own request was answered before: this one failed for what was added to it.
                TargetOutcome::Surfaced(_) => {
                    ctx.record.amend(target.id(), Next::Hop);
                    ctx.record.leave(target.id());
                }
                TargetOutcome::MoveOn if ctx.record.was_refused(target.id()) => {}
                outcome => return resumed(outcome, form),
            }
        }
        None
    }
}

/// Returns the result of a request for the rest in this form; `None` if it was not given.
fn resumed(outcome: TargetOutcome, form: Form) -> Option<Resumed> {
    match outcome {
        TargetOutcome::Stream(committed) => Some(Resumed::Stream(committed, form)),
        TargetOutcome::Blocked(_, block) => Some(Resumed::Blocked(block)),
        TargetOutcome::Surfaced(_) | TargetOutcome::Reply(..) | TargetOutcome::MoveOn => None,
    }
}

/// Returns the instruction to a model that continues the answer of another. The last words mark the seam.
fn instruction(text: &str) -> String {
    let last = last_words(text);
    format!(
        "Your answer was cut off. Write the rest of it. Begin with its last words, exactly as they are, and go on from \
         there. Do not start over, correct or introduce anything. The last words are:\n{last}"
    )
}
