//! Metrics for Prometheus and spans for any `tracing` subscriber. Uses `fb` alone.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use fb::{
    Call, CallError, Capabilities, ChatRequest, Client, Failure, FailureKind, Provider, Refusal, Reply,
    Route, Streaming, Target, async_trait, telemetry::Metrics,
};
use tracing_subscriber::fmt::format::FmtSpan;

/// Answers every chat, or none.
struct Echo(Result<&'static str, FailureKind>);

#[async_trait]
impl Provider for Echo {
    fn capabilities(&self, _model: &str) -> Capabilities {
        Capabilities { streaming: false, ..Capabilities::default() }
    }

    fn admit(&self, _call: Call<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn chat(&self, _call: Call<'_>) -> Result<Reply, CallError> {
        match self.0 {
            Ok(text) => Ok(Reply { text: text.to_owned(), ..Reply::default() }),
            Err(kind) => Err(Failure::new(kind, "out of order").into()),
        }
    }

    async fn stream(&self, _call: Call<'_>) -> Result<Streaming, CallError> {
        Err(Failure::new(FailureKind::InvalidRequest, "streams are not supported").into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), fb::Error> {
    // A span for each request and for each call in it, printed when it ends.
    let spans =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_span_events(FmtSpan::CLOSE);
    spans.with_ansi(false).init();

    let client = Client::builder()
        .provider("primary", Echo(Err(FailureKind::ServerError)))
        .provider("backup", Echo(Ok("hello")))
        .route(Route::priority("default", [Target::new("primary", "m"), Target::new("backup", "m")]))
        .build()?;
    let metrics = Metrics::of(&client);
    for _ in 0..3 {
        client.chat(ChatRequest::user("hi")).await?;
    }

    let text = metrics.render();
    for line in text.lines().filter(|line| line.starts_with("fb_requests") || line.starts_with("fb_hops")) {
        println!("{line}");
    }
    assert!(
        text.contains(r#"fb_requests_total{route="default",outcome="answered",level="full",cache="none"} 3"#)
    );
    Ok(())
}
