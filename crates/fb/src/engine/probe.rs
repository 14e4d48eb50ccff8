//! Probes of providers: requests that cost nothing, or completions.

use std::{sync::Arc, time::Duration};

use fb_core::{
    AttemptEnd, Chat, ChatRequest, Envelope, Failure, FailureKind, Message, Probe, Provider, Role, ServedBy,
    Trace,
};
use fb_health::{Check, ProbeConfig, ProbeKind, Prober};

use super::{
    attempts::try_target,
    context::{Mode, RequestContext},
    directory::Directory,
    outcome::TargetOutcome,
    position::Position,
    record::RequestRecord,
    retries::Retries,
    route_state::RouteState,
    state::Engine,
};
use crate::clock::now;

/// The prompt of a completion probe.
const PROMPT: &str = "Say 'OK' if you're working.";
/// Enough for its answer.
const MAX_TOKENS: u32 = 10;

impl Engine {
    /// Starts to probe the providers in the background.
    pub(crate) fn probe(self: &Arc<Self>) -> Prober {
        let engine = Arc::downgrade(self);
        Prober::start(self.directory().fleet(), move |name| {
            let (engine, name) = (engine.upgrade(), name.to_owned());
            async move {
                match engine {
                    Some(engine) => engine.check_provider(&name).await,
                    None => Check::Unknown,
                }
            }
        })
    }

    /// Checks that a provider is reachable, and then, if its probes are completions, that a model answers.
    async fn check_provider(&self, name: &str) -> Check {
        let directory = self.directory();
        let Some(provider) = directory.provider(name) else { return Check::Unknown };
        let key = directory.key_for_probe(name, now());
        let reached = check(probe(&*provider, key).await);
        let config = directory.fleet().probe_config(name);
        let Some(ProbeConfig { kind: ProbeKind::Completion, timeout, .. }) = config else { return reached };
        match directory.cheapest_of(name) {
            Some(route) if !matches!(reached, Check::Failed(_)) => {
                self.complete((&directory, route), timeout).await
            }
            _ => reached,
        }
    }

    /// Sends a short completion to the only target of a route: an ordinary call of the tenant `default`, without retries,
    /// which the breaker, the statistics and the budget count.
    async fn complete(
        &self,
        (directory, route): (&Arc<Directory>, &Arc<RouteState>),
        timeout: Duration,
    ) -> Check {
        let Some(target) = route.targets.first() else { return Check::Unknown };
        let messages = vec![Message::text(Role::User, PROMPT)];
        let chat = Chat { messages, max_tokens: Some(MAX_TOKENS), ..Chat::default() };
        let request = ChatRequest::from_chat(route.name(), chat);
        let envelope = Envelope::new(now(), timeout, 1, 1);
        let (observers, traces, counters) = (self.observers.current(), &self.traces, &self.counters);
        let record =
            RequestRecord::new(&route.config, &request, false, envelope, observers, traces, counters);
        // An unhealthy target is probed too. A probe's timeout, shorter than the target's, is not the breaker's concern.
        let ctx = RequestContext {
            panic: true,
            deadline_shortened: true,
            ..self.context(&request, Mode::Plain, (directory, route), &record, envelope)
        };
        let position = Position { later: 0, is_followed: false, elsewhere: false, bypass: false };
        record.turn_to(target.id());
        let (by, check) = match try_target(ctx, target, position, &mut Retries::default()).await {
            TargetOutcome::Reply(id, _) | TargetOutcome::Blocked(id, _) => {
                (Some(ServedBy::Target(id)), Check::Passed)
            }
            TargetOutcome::Stream(stream) => (Some(ServedBy::Target(stream.target().clone())), Check::Passed),
            TargetOutcome::Surfaced(failure) => (None, check(Err(failure))),
            // A target that was not called, such as one with an open breaker, remains unknown.
            TargetOutcome::MoveOn => {
                let failure = last_failure(&record.report().trace);
                (None, failure.map_or(Check::Unknown, |failure| check(Err(failure))))
            }
        };
        record.finish(by);
        check
    }
}

/// Probes a provider. After a rejection of its key, probes once more if the key has changed.
async fn probe(provider: &dyn Provider, key: usize) -> Result<Probe, Failure> {
    let generation = provider.key_generation(key);
    let probed = provider.probe(key).await;
    if !matches!(&probed, Err(failure) if failure.kind() == FailureKind::Auth) {
        return probed;
    }
    provider.reload_key(key).await;
    if provider.key_generation(key) == generation { probed } else { provider.probe(key).await }
}

fn last_failure(trace: &Trace) -> Option<Failure> {
    trace.rows().iter().rev().find_map(|row| match &row.end {
        AttemptEnd::Failed(failure) => Some(failure.clone()),
        _ => None,
    })
}

/// Returns the health check that follows from a probe. A probe that was refused or not understood is no sign of health: a
/// key may be allowed to chat and not to list models.
fn check(probed: Result<Probe, Failure>) -> Check {
    use FailureKind::{
        Auth, Connect, ContextLength, Interrupted, InvalidRequest, Malformed, ModelNotFound, Network,
        Overloaded, Permission, Quality, QuotaExhausted, RateLimited, Region, ServerError, StaleConnection,
        Timeout, TooLarge, Unknown,
    };
    match probed {
        Ok(Probe::Reachable) => Check::Passed,
        Ok(Probe::Unknown) => Check::Unknown,
        Err(failure) => match failure.kind() {
            Auth
            | Connect
            | Interrupted
            | Malformed
            | Network
            | Overloaded
            | QuotaExhausted
            | Region
            | ServerError
            | Timeout(_)
            | Unknown { server: true } => Check::Failed(failure.to_string()),
            ContextLength
            | InvalidRequest
            | ModelNotFound
            | Permission
            | Quality
            | RateLimited
            | StaleConnection
            | TooLarge
            | Unknown { server: false } => Check::Unknown,
        },
    }
}
