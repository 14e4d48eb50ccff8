//! The conformance suite on every adapter, over sockets, and on providers that are broken on purpose.

use std::{fmt::Write, sync::Arc, time::Duration};

use expect_test::expect;
use fb_core::{
    Call, CallError, Capabilities, ChatRequest, Failure, FailureKind, Frame, Provider, Refusal, Reply,
    StreamEvent, Streaming, Usage, async_trait,
};
use fb_sim::{BlockForm, Dialect, Fault, Sim, SimReply};
use futures_util::StreamExt;
use tokio::task::JoinSet;

use crate::{
    ProviderConfig,
    conformance::{ARGUMENTS, Finding, Findings, RETRY_AFTER, Scenario, Suite, TEXT, TOOL, Upstream},
};

const SECRET: &str = "sk-conformance-8d1f3a77c2e9";

#[async_trait]
impl Upstream for Sim {
    async fn play(&self, scenario: Scenario) -> bool {
        self.heal();
        self.reply(SimReply::text(TEXT));
        match scenario {
            Scenario::Text => {}
            Scenario::ToolCall => self.reply(SimReply::tool_call(TOOL, ARGUMENTS)),
            Scenario::SlowFirstByte => {
                self.reply(SimReply { latency: Duration::from_millis(300), ..SimReply::text(TEXT) });
            }
            Scenario::Empty => self.fault(Fault::Empty200),
            Scenario::Garbage => self.fault(Fault::Html),
            Scenario::Oversized => self.fault(Fault::Raw(oversized().into())),
            Scenario::Cut => self.fault(Fault::CutAfterEvents { events: 1, reset: false }),
            Scenario::EndedEarly => self.fault(Fault::EndEarly { events: 2 }),
            Scenario::WrongKey => self.fault(Fault::status(401).with_body(wrong_key(self.dialect()))),
            Scenario::InvalidRequest => self.fault(Fault::status(400)),
            // No part of Ollama's protocol.
            Scenario::PolicyBlock if self.dialect() == Dialect::Ollama => return false,
            Scenario::PolicyBlock => self.fault(Fault::Block(BlockForm::FinishReason)),
            Scenario::RateLimited => {
                self.fault(Fault::status(429).with_header("retry-after", RETRY_AFTER.as_secs().to_string()));
            }
            Scenario::ServerError => self.fault(Fault::status(500)),
            Scenario::Overloaded => self.fault(Fault::status(503)),
            Scenario::Redirect => {
                let there = format!("{}/models", self.base_url());
                self.fault(Fault::status(302).with_header("location", there));
            }
            Scenario::Silent => self.fault(Fault::StallHeaders),
            Scenario::Stalled => self.fault(Fault::StallMid { after_events: 2 }),
        }
        true
    }

    fn calls(&self) -> Option<u64> {
        // A redirect that is followed is a request, but no call of a model.
        Some(self.counters().requests)
    }

    async fn wait_for_open_calls(&self, open: u64) -> bool {
        self.wait_until(|counters| counters.open == open).await;
        true
    }

    fn usage(&self) -> Option<Usage> {
        // One word of prompt, nine of text.
        Some(Usage { input: 1, output: 9, ..Usage::default() })
    }
}

/// A response of more than 64 MiB.
fn oversized() -> Vec<u8> {
    let size = (64 << 20) + 1;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n");
    let mut response = head.into_bytes();
    response.resize(response.len() + size, b' ');
    response
}

/// The error of each dialect, which repeats the key.
fn wrong_key(dialect: Dialect) -> String {
    let message = format!("Incorrect API key provided: {SECRET}");
    match dialect {
        Dialect::OpenAi => serde_json::json!({ "error": { "message": message, "code": "invalid_api_key" } }),
        Dialect::Anthropic => serde_json::json!({
            "type": "error",
            "error": { "type": "authentication_error", "message": message },
        }),
        Dialect::Ollama => serde_json::json!({ "error": message }),
    }
    .to_string()
}

fn adapter(kind: &str, sim: &Sim) -> Arc<dyn Provider> {
    let config = ProviderConfig { base_url: Some(sim.base_url()), ..ProviderConfig::with_key(kind, SECRET) };
    config.build().unwrap()
}

fn names<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<&'a str> {
    findings.map(|finding| &*finding.check).collect()
}

#[tokio::test]
async fn adapters_conform() {
    for (kind, dialect, skipped) in [
        ("openai", Dialect::OpenAi, &[][..]),
        ("groq", Dialect::OpenAi, &[]),
        ("azure", Dialect::OpenAi, &[]),
        ("anthropic", Dialect::Anthropic, &[]),
        ("ollama", Dialect::Ollama, &["chat: policy block", "stream: policy block"]),
    ] {
        let sim = super::sim(dialect).await;
        let findings = Suite::new(adapter(kind, &sim), "m").secret(SECRET).run(&sim).await;
        findings.assert_conforms();
        assert_eq!(names(findings.skipped()), skipped, "{kind}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    Retries,
    InventsTheEnd,
    EndsTwice,
    LosesText,
    LosesUsage,
    LosesTheHint,
    CallsEverythingAuth,
    BlocksAreFailures,
    PrintsTheKey,
    PrintsThePrompt,
    OutlivesItsCaller,
    GivesUpEarly,
    RefusesWithoutReason,
}

/// A call that goes on when it is dropped.
struct Abandoned(JoinSet<Result<Reply, CallError>>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.detach_all();
    }
}

/// An adapter with one flaw.
struct Broken(Arc<dyn Provider>, Flaw);

impl Broken {
    fn error(&self, call: Call<'_>, error: CallError) -> CallError {
        let failure = match error {
            CallError::Blocked(block) if self.1 == Flaw::BlocksAreFailures => {
                return Failure::new(FailureKind::InvalidRequest, block.detail).into();
            }
            CallError::Failed(failure) => failure,
            blocked @ CallError::Blocked(_) => return blocked,
        };
        let again =
            |detail: String| Failure::new(failure.kind(), detail).with_retry_after(failure.retry_after());
        match self.1 {
            Flaw::LosesTheHint => failure.with_retry_after(None),
            Flaw::CallsEverythingAuth => {
                Failure::new(FailureKind::Auth, "").with_retry_after(failure.retry_after())
            }
            Flaw::PrintsTheKey => again(format!("with {SECRET}")),
            Flaw::PrintsThePrompt => again(format!("{:?}", call.request.chat().unwrap().messages)),
            _ => failure,
        }
        .into()
    }
}

#[async_trait]
impl Provider for Broken {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.0.capabilities(model)
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        match self.1 {
            Flaw::RefusesWithoutReason if call.request.head().tools => Err(Refusal::new("", "")),
            _ => self.0.admit(call),
        }
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let (inner, request, model) = (Arc::clone(&self.0), call.request.clone(), call.model.to_owned());
        let mut outcome = match self.1 {
            Flaw::OutlivesItsCaller => {
                let mut task = JoinSet::new();
                task.spawn(async move { inner.chat(owned(&request, &model)).await });
                let mut call = Abandoned(task);
                call.0.join_next().await.unwrap().unwrap()
            }
            Flaw::GivesUpEarly => tokio::time::timeout(Duration::from_millis(100), inner.chat(call))
                .await
                .unwrap_or_else(|_| Err(Failure::new(FailureKind::Network, "too slow").into())),
            _ => inner.chat(call).await,
        };
        if self.1 == Flaw::Retries && outcome.is_err() {
            outcome = self.0.chat(call).await;
        }
        let reply = outcome.map_err(|error| self.error(call, error))?;
        Ok(match self.1 {
            Flaw::LosesUsage => Reply { usage: None, ..reply },
            Flaw::LosesText => Reply { text: String::new(), ..reply },
            _ => reply,
        })
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let streaming = self.0.stream(call).await.map_err(|error| self.error(call, error))?;
        let end = futures_util::stream::iter([Ok(Frame::event(StreamEvent::Done))]);
        let flaw = self.1;
        let frames = match flaw {
            Flaw::InventsTheEnd => {
                let frames = streaming.frames.filter(|item| {
                    std::future::ready(match item {
                        Ok(frame) => !frame.is_done(),
                        Err(_) => false,
                    })
                });
                frames.chain(end).boxed()
            }
            Flaw::EndsTwice => streaming.frames.chain(end).boxed(),
            _ => streaming
                .frames
                .map(move |item| {
                    item.map(|mut frame| {
                        frame.events.retain(|event| match event {
                            StreamEvent::Text(_) => flaw != Flaw::LosesText,
                            StreamEvent::Usage(_) => flaw != Flaw::LosesUsage,
                            _ => true,
                        });
                        frame
                    })
                })
                .boxed(),
        };
        Ok(Streaming { frames, ..streaming })
    }

    async fn probe(&self, key: usize) -> Result<fb_core::Probe, Failure> {
        self.0.probe(key).await
    }
}

fn owned<'a>(request: &'a ChatRequest, model: &'a str) -> Call<'a> {
    Call { model, ..super::call(request) }
}

#[tokio::test]
async fn each_flaw_fails_its_checks() {
    let mut shown = String::new();
    for flaw in [
        Flaw::Retries,
        Flaw::InventsTheEnd,
        Flaw::EndsTwice,
        Flaw::LosesText,
        Flaw::LosesUsage,
        Flaw::LosesTheHint,
        Flaw::CallsEverythingAuth,
        Flaw::BlocksAreFailures,
        Flaw::PrintsTheKey,
        Flaw::PrintsThePrompt,
        Flaw::OutlivesItsCaller,
        Flaw::GivesUpEarly,
        Flaw::RefusesWithoutReason,
    ] {
        let sim = super::sim(Dialect::OpenAi).await;
        let provider = Broken(adapter("openai", &sim), flaw);
        let suite = Suite::new(provider, "m").secret(SECRET).time_limit(Duration::from_secs(2));
        let findings: Findings = suite.run(&sim).await;
        writeln!(shown, "{flaw:?}: {}", names(findings.failed()).join(", ")).unwrap();
        assert!(!findings.to_string().contains(SECRET), "{findings}");
    }
    expect![[r#"
        Retries: all calls: one upstream call
        InventsTheEnd: stream: empty, stream: cut, stream: ended early
        EndsTwice: stream: end, stream: tool call, stream: empty, stream: cut, stream: ended early
        LosesText: chat: text, chat: concurrent calls, stream: text, chat: slow first byte
        LosesUsage: chat: usage, stream: usage
        LosesTheHint: chat: rate limited, stream: rate limited
        CallsEverythingAuth: chat: invalid request, stream: invalid request, chat: rate limited, stream: rate limited, chat: server error, stream: server error, chat: overloaded, stream: overloaded, chat: empty, chat: garbage, chat: cut
        BlocksAreFailures: chat: policy block
        PrintsTheKey: errors: no secret
        PrintsThePrompt: errors: no prompt
        OutlivesItsCaller: chat: dropped, stream: dropped
        GivesUpEarly: chat: slow first byte
        RefusesWithoutReason: admit: refusals
    "#]].assert_eq(&shown);
}
