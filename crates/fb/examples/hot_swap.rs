//! A config that is replaced while requests are served: the breaker of the target that stays keeps its state. Uses `fb`
//! alone.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{error::Error, net::SocketAddr};

use axum::{Router, http::StatusCode, routing::post};
use fb::{ChatRequest, Client, Config};
use tokio::{net::TcpListener, task::JoinSet};

/// A server that speaks OpenAI's dialect, or fails.
async fn serve(
    answer: Option<&'static str>,
    tasks: &mut JoinSet<std::io::Result<()>>,
) -> std::io::Result<SocketAddr> {
    let completion = move || async move {
        let Some(answer) = answer else { return (StatusCode::SERVICE_UNAVAILABLE, String::new()) };
        let choice = format!(
            r#"{{"index":0,"message":{{"role":"assistant","content":"{answer}"}},"finish_reason":"stop"}}"#
        );
        (
            StatusCode::OK,
            format!(
                r#"{{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{choice}]}}"#
            ),
        )
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/v1/chat/completions", post(completion));
    tasks.spawn(axum::serve(listener, app).into_future());
    Ok(address)
}

/// A config file with these servers as providers and targets, as a gateway would read it.
fn config(servers: &[(&str, SocketAddr)]) -> Result<Config, fb::BuildError> {
    let provider = |(name, address): &(&str, SocketAddr)| {
        format!("[providers.{name}]\nkind = \"vllm\"\nbase_url = \"http://{address}/v1\"\n")
    };
    let target = |(name, _): &(&str, SocketAddr)| format!("{{ provider = \"{name}\", model = \"m\" }}");
    let providers: String = servers.iter().map(provider).collect();
    let targets: Vec<String> = servers.iter().map(target).collect();
    Config::from_toml(&format!("{providers}[routes.default]\ntargets = [{}]\n", targets.join(", ")))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut tasks = JoinSet::new();
    let broken = serve(None, &mut tasks).await?;
    let (first, second) = (serve(Some("first"), &mut tasks).await?, serve(Some("second"), &mut tasks).await?);

    let client = Client::builder().config(&config(&[("broken", broken), ("backup", first)])?)?.build()?;
    for _ in 0..5 {
        println!("{}", client.chat(ChatRequest::user("hi")).await?.text());
    }
    // Another backup takes the place of the first one. No request in flight is lost.
    client.reload(&config(&[("broken", broken), ("backup", second)])?)?;
    let answer = client.chat(ChatRequest::user("hi")).await?;
    println!("{}\n{}", answer.text(), answer.trace());
    assert_eq!(answer.text(), "second");
    assert_eq!(answer.report.attempts(), 1, "the breaker of the broken server is still open");
    Ok(())
}
