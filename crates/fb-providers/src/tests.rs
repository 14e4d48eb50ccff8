//! Tests of the adapters over real sockets, against simulated providers.

mod cancel;
mod conformance;
mod matrix;
mod reference;
mod requests;
mod secrets;
mod settings;

use std::{fmt::Write, sync::Arc, time::Duration};

use fb_core::{
    Call, CallError, CallKey, ChatRequest, Failure, Overrides, Phase, Provider, Reply, StreamEvent, Streaming,
};
use fb_sim::{Dialect, Sim};
use futures_util::StreamExt;

use crate::ProviderConfig;

/// An upper limit that no test reaches.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

async fn with_timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, future).await.unwrap()
}

/// Builds an adapter for the simulator's dialect and address.
fn provider_of(sim: &Sim) -> Arc<dyn Provider> {
    provider(&sim.dialect().to_string(), &sim.base_url())
}

fn provider(kind: &str, base_url: &str) -> Arc<dyn Provider> {
    let config =
        ProviderConfig { base_url: Some(base_url.to_owned()), ..ProviderConfig::with_key(kind, "sk-test") };
    config.build().unwrap()
}

const NONE: &Overrides = &Overrides(Vec::new());

fn call(request: &ChatRequest) -> Call<'_> {
    Call { request, model: "m", overrides: NONE, thinking: None, key: CallKey::default() }
}

async fn chat(provider: &dyn Provider, request: &ChatRequest) -> Result<Reply, CallError> {
    with_timeout(provider.chat(call(request))).await
}

async fn stream(provider: &dyn Provider, request: &ChatRequest) -> Result<Streaming, CallError> {
    with_timeout(provider.stream(call(request))).await
}

fn show_failure(failure: &Failure) -> String {
    let phase = match failure.kind() {
        fb_core::FailureKind::Timeout(Phase::Connect) => " at connect",
        _ => "",
    };
    format!("{failure}{phase}")
}

fn show_error(error: &CallError) -> String {
    match error {
        CallError::Failed(failure) => show_failure(failure),
        CallError::Blocked(block) => format!("blocked: {}: {}", block.category, block.detail),
    }
}

fn show_reply(result: &Result<Reply, CallError>) -> String {
    match result {
        Ok(reply) => {
            let mut shown = format!("{:?} {:?}", reply.text, reply.finish);
            for call in &reply.tool_calls {
                write!(shown, " {}({})", call.name, call.arguments).unwrap();
            }
            shown
        }
        Err(error) => show_error(error),
    }
}

/// Shows the events of a stream in one line: the joined text, then the others.
async fn show_stream(result: Result<Streaming, CallError>) -> String {
    let mut frames = match result {
        Ok(streaming) => streaming.frames,
        Err(error) => return format!("at once: {}", show_error(&error)),
    };
    let (mut text, mut rest) = (String::new(), Vec::new());
    while let Some(item) = with_timeout(frames.next()).await {
        match item {
            Ok(frame) => {
                for event in frame.events {
                    match event {
                        StreamEvent::Started { .. } | StreamEvent::Usage(_) | StreamEvent::Resumed { .. } => {
                        }
                        StreamEvent::Text(more) => text.push_str(&more),
                        StreamEvent::Thinking(more) => rest.push(format!("thinking {more:?}")),
                        StreamEvent::ToolCall(delta) => {
                            rest.push(format!("{}{}", delta.name.unwrap_or_default(), delta.arguments));
                        }
                        StreamEvent::Refusal(more) => rest.push(format!("refusal {more:?}")),
                        StreamEvent::Finish(reason) => rest.push(format!("{reason:?}")),
                        StreamEvent::Blocked(block) => {
                            rest.push(format!("blocked: {}: {}", block.category, block.detail));
                        }
                        StreamEvent::Done => rest.push("done".to_owned()),
                    }
                }
            }
            Err(failure) => rest.push(show_failure(&failure)),
        }
    }
    format!("{text:?} {}", rest.join(", "))
}

async fn sim(dialect: Dialect) -> Sim {
    Sim::start(dialect).await.unwrap()
}
