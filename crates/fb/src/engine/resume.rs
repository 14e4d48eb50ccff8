//! How a stream that broke after its first output goes on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{Block, ChatRequest, Envelope, Format, Level, Message, Role, TargetId};

use super::{
    Engine, Mode, RequestContext,
    attempts::{Committed, TargetOutcome},
    directory::Plan,
    race::{Start, race},
    record::RequestRecord,
    spend::CostEstimate,
};
use crate::clock::now;

/// What the model is asked that goes on with another's answer.
const GO_ON: &str = "Your answer was cut off. Continue it exactly where it stopped. Do not repeat, correct or introduce anything.";

/// Everything it takes to ask for the rest of an answer.
pub(crate) struct Resume {
    engine: Arc<Engine>,
    plan: Plan,
    request: ChatRequest,
}

/// Who goes on.
pub(crate) enum Resumed {
    /// This target, from where the answer stopped.
    By(TargetId, Box<Committed>),
    /// Nobody: the rest is refused.
    Blocked(Box<Block>),
    /// Nobody: the break stands.
    Nobody,
}

impl Resume {
    /// `None` unless the route wants it and the request allows it: what has to follow a schema, or is answered on a
    /// lower level, is not put together from two answers.
    pub(super) fn of(engine: &Arc<Engine>, plan: &Plan, request: &ChatRequest, level: Level) -> Option<Self> {
        // What is checked is one answer.
        let wanted = plan.route.resume && level == Level::Full && plan.gates.is_empty();
        let of_text = wanted && request.chat().is_ok_and(|chat| matches!(chat.format, Format::Text));
        of_text.then(|| Self { engine: Arc::clone(engine), plan: plan.clone(), request: request.clone() })
    }

    /// Asks for the rest: the target that broke comes last, calls count against the attempts of the request, and time
    /// against what the stream has left, at most the route's deadline.
    pub(crate) async fn go_on(
        self: Arc<Self>,
        record: Arc<RequestRecord>,
        said: String,
        broken: TargetId,
        end: Instant,
    ) -> Resumed {
        let Self { engine, plan, request } = &*self;
        let (Some(asked), at) = (continued(request, said), now()) else { return Resumed::Nobody };
        let left = end.saturating_duration_since(at).min(plan.route.effective_deadline());
        if left < Duration::from_millis(1) {
            return Resumed::Nobody;
        }
        let envelope = Envelope::new(at, left, plan.route.max_attempts, plan.targets.len());
        let ctx = RequestContext {
            engine,
            request: &asked,
            mode: Mode::Stream,
            route: &plan.route,
            record: &record,
            gates: &plan.gates,
            estimate: engine.account(request).map(|account| CostEstimate::of(account, &asked)),
            envelope,
            deadline_shortened: false,
            panic: engine.panics(plan),
            reserve: 0,
        };
        let mut targets = engine.choose(ctx, plan).targets;
        targets.retain(|target| target.capabilities().streaming);
        targets.sort_by_key(|target| *target.id() == broken);
        match race(ctx, &targets, Start::ONE_BY_ONE).await {
            TargetOutcome::Stream(by, committed) => Resumed::By(by, committed),
            TargetOutcome::Blocked(_, block) => Resumed::Blocked(block),
            TargetOutcome::Reply(..) | TargetOutcome::Surfaced(_) | TargetOutcome::MoveOn => Resumed::Nobody,
        }
    }
}

/// The request, with what was said so far and the wish for the rest.
fn continued(request: &ChatRequest, said: String) -> Option<ChatRequest> {
    let mut chat = request.chat().ok()?.clone();
    chat.messages.push(Message::text(Role::Assistant, said));
    chat.messages.push(Message::text(Role::User, GO_ON));
    let asked = ChatRequest::from_chat(request.head().model.clone(), chat);
    Some(asked.with_options(request.options().clone()))
}
