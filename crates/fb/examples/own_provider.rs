//! A client that a program already has, wrapped as a provider: fb retries it, opens its breaker and falls back, and the
//! trace has its failures. Then the conformance suite, which belongs into the tests of a provider. Uses `fb` alone.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use fb::{
    Call, CallError, Capabilities, ChatRequest, Client, Failure, FailureKind, Part, Provider, Refusal, Reply,
    Role, Route, Streaming, Target, async_trait,
    providers::conformance::{Scenario, Suite, TEXT, Upstream},
};
use parking_lot::Mutex;

/// The program's own client, which knows nothing of fb, and its server in one.
struct CorporateClient {
    server: Server,
    calls: AtomicU32,
}

enum Server {
    /// Overloaded in two of three calls.
    Flaky,
    /// Rejects the key.
    Locked,
    Sound,
    /// Plays a scenario of the conformance suite.
    Scripted(Mutex<Scenario>),
}

enum CorporateError {
    Overloaded,
    WrongKey,
}

impl CorporateClient {
    async fn complete(&self, model: &str, prompt: &str) -> Result<String, CorporateError> {
        // As a call over the network would.
        tokio::task::yield_now().await;
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match &self.server {
            Server::Flaky if call % 3 != 2 => Err(CorporateError::Overloaded),
            Server::Locked => Err(CorporateError::WrongKey),
            Server::Flaky | Server::Sound => Ok(format!("{model} answers {prompt:?}")),
            Server::Scripted(scenario) => match *scenario.lock() {
                Scenario::Overloaded => Err(CorporateError::Overloaded),
                Scenario::WrongKey => Err(CorporateError::WrongKey),
                _ => Ok(TEXT.to_owned()),
            },
        }
    }
}

/// The client as a provider.
struct Corporate(CorporateClient);

impl Corporate {
    fn new(server: Server) -> Self {
        Self(CorporateClient { server, calls: AtomicU32::new(0) })
    }
}

#[async_trait]
impl Provider for Corporate {
    fn capabilities(&self, _model: &str) -> Capabilities {
        Capabilities { streaming: false, ..Capabilities::default() }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        let chat =
            call.request.chat().map_err(|invalid| Refusal::new("messages", invalid.message.clone()))?;
        // What cannot be honoured is refused by name, and the next target is tried.
        if chat.tools.is_empty() { Ok(()) } else { Err(Refusal::new("tools", "this client has none")) }
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let unreadable =
            |invalid: &fb::InvalidRequest| Failure::new(FailureKind::InvalidRequest, invalid.message.clone());
        let chat = call.request.chat().map_err(unreadable)?;
        let prompt = chat.messages.iter().rfind(|message| message.role == Role::User);
        let texts = prompt.into_iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let prompt: String = texts.collect();
        let answer = self.0.complete(call.model, &prompt).await.map_err(|error| {
            let (kind, detail) = match error {
                CorporateError::Overloaded => (FailureKind::Overloaded, "no free worker"),
                CorporateError::WrongKey => (FailureKind::Auth, "the key was rejected"),
            };
            Failure::new(kind, detail)
        })?;
        Ok(Reply { text: answer, ..Reply::default() })
    }

    async fn stream(&self, _call: Call<'_>) -> Result<Streaming, CallError> {
        Err(Failure::new(FailureKind::InvalidRequest, "this client does not stream").into())
    }
}

/// The server as the upstream of the conformance suite, with the scenarios that it has.
#[async_trait]
impl Upstream for Corporate {
    async fn play(&self, scenario: Scenario) -> bool {
        let Server::Scripted(current) = &self.0.server else { return false };
        *current.lock() = scenario;
        matches!(scenario, Scenario::Text | Scenario::Overloaded | Scenario::WrongKey)
    }

    fn calls(&self) -> Option<u64> {
        Some(self.0.calls.load(Ordering::Relaxed).into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), fb::Error> {
    let client = Client::builder()
        .provider("locked", Corporate::new(Server::Locked))
        .provider("flaky", Corporate::new(Server::Flaky))
        .provider("sound", Corporate::new(Server::Sound))
        .route(Route::priority(
            "default",
            [Target::new("locked", "m"), Target::new("flaky", "m"), Target::new("sound", "m")],
        ))
        .build()?;
    for _ in 0..3 {
        let answer = client.chat(ChatRequest::user("hi")).await?;
        println!("{} (from {})\n{}\n", answer.text(), answer.served_by(), answer.trace());
    }

    let provider = Arc::new(Corporate::new(Server::Scripted(Mutex::new(Scenario::Text))));
    let findings = Suite::new(Arc::clone(&provider), "m").run(&*provider).await;
    println!("{findings}");
    findings.assert_conforms();
    Ok(())
}
