//! A program that uses fb and no other crate of it: a provider of its own that fails, then OpenAI's dialect over a socket.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use fb::{
    BreakerConfig, Builder, Call, CallError, Capabilities, ChatRequest, Client, Config, Curve, Error,
    Failure, FailureKind, Jitter, Message, OpenConfig, Provider, Refusal, Reply, RetryConfig, Route,
    Streaming, Target, async_trait, providers::OpenAi,
};

/// A provider that is overloaded.
struct Busy;

#[async_trait]
impl Provider for Busy {
    fn capabilities(&self, _model: &str) -> Capabilities {
        Capabilities::default()
    }

    fn admit(&self, _call: Call<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn chat(&self, _call: Call<'_>) -> Result<Reply, CallError> {
        Err(Failure::new(FailureKind::Overloaded, "try later").with_status(503).into())
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        self.chat(call).await.map(|_reply| unreachable!("it is overloaded"))
    }
}

const BODY: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hello"}}]}"#;

/// Answers one request.
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece)?;
        request.extend_from_slice(&piece[..length]);
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{BODY}", BODY.len())
}

async fn answer(base_url: String) -> Result<(), Error> {
    let targets = [Target::new("busy", "m").max_retries(1), Target::new("local", "m")];
    let open = OpenConfig::with(|config| config.jitter = 0.0);
    let client = Client::builder()
        .provider("busy", Busy)
        .provider("local", OpenAi::new("sk-test").base_url(base_url))
        .breaker(BreakerConfig::with(|config| config.open = open))
        .retry(RetryConfig::with(|config| {
            config.jitter = Jitter::None;
            config.curve = Curve::default();
        }))
        .route(Route::priority("default", targets).max_attempts(4))
        .build()?;
    let answer = client.chat(ChatRequest::builder().user("hi").temperature(0.0).build()).await?;
    assert_eq!(answer.message(), Message::assistant("hello"));
    assert_eq!((answer.served_by(), answer.report.attempts()), ("local/m".to_owned(), 3));
    println!("outside-small: {}", answer.trace().one_line());
    Ok(())
}

/// What needs a feature that this program lacks, with the features that the errors must name.
const TOO_MUCH: &str = r#"
[providers.openai]
kind = "openai"
api_key = "none"
base_url = "http://127.0.0.1:9/v1"

[routes.default]
targets = [{ provider = "openai", model = "m" }]
cache = { fresh = "1m" }

[tenants.acme]
requests_per_minute = 60
"#;

/// Checks that a setting without its feature is an error that names both.
fn check_missing_features() -> Result<(), Box<dyn std::error::Error>> {
    let error = |text: &str| -> Result<String, Box<dyn std::error::Error>> {
        let client = Client::builder().config(&Config::from_toml(text)?).and_then(Builder::build);
        Ok(client.err().map(|error| error.to_string()).unwrap_or_default())
    };
    let errors = error(TOO_MUCH)?;
    for part in [
        "routes.default.cache.fresh = 60s: expected no cache, as the feature `cache` of fb is off",
        "tenants.acme.requests_per_minute = 60: expected no such limit, as the feature `rates` of fb-budget (`budget` of fb) is off",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
    let errors = error(&TOO_MUCH.replace("kind = \"openai\"", "kind = \"anthropic\""))?;
    let part = "providers.openai.kind = \"anthropic\": expected a program that is built with the feature `anthropic` of fb";
    assert!(errors.contains(part), "{errors}");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check_missing_features()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    let server = thread::spawn(move || serve(&listener));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(answer(base_url))?;
    server.join().map_err(|_panic| "the server panicked")??;
    Ok(())
}
