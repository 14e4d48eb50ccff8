//! How a program tests its own behaviour in an outage: its code as it is, two simulated providers, no mock and no sleep.

use fb::{
    ChatRequest, Client, Error, Route, State, Target,
    providers::{Anthropic, OpenAi},
};
use fb_sim::{Dialect, Fault, Sim};

/// The code under test: what the program does with a question.
async fn answer(client: &Client, question: &str) -> Result<String, Error> {
    client.chat(ChatRequest::user(question)).await.map(|answer| answer.text().to_owned())
}

/// The program's client, with the addresses of its providers.
fn client(primary: &Sim, backup: &Sim) -> Result<Client, Error> {
    let primary = OpenAi::new("sk-test").base_url(primary.base_url());
    let backup = Anthropic::new("sk-test").base_url(backup.base_url());
    let targets =
        [Target::new("primary", "gpt-6.1-sol").max_retries(0), Target::new("backup", "claude-sonnet-4-6")];
    Ok(Client::builder()
        .provider("primary", primary)
        .provider("backup", backup)
        .route(Route::priority("default", targets))
        .build()?)
}

fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

#[tokio::test]
async fn answers_come_from_the_backup_while_the_primary_is_down() -> Result<(), Box<dyn std::error::Error>> {
    let (primary, backup) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    let client = client(&primary, &backup)?;
    assert_eq!(answer(&client, "hi").await?, "Hello from openai.");

    primary.fault(Fault::status(503));
    for _ in 0..20 {
        assert_eq!(answer(&client, "hi").await?, "Hello from anthropic.");
    }
    // The breaker of the primary opened after a few failures, and the other requests did not wait for it.
    assert!(primary.calls() < 10, "{} calls", primary.calls());
    assert_eq!(backup.calls(), 20);
    let (_, breaker) = client
        .breakers()
        .into_iter()
        .find(|(id, _)| id.provider().as_str() == "primary")
        .ok_or("no breaker")?;
    assert!(matches!(breaker.state(now()), State::Open { .. }));

    // Both are down: the error names each target and its reason.
    backup.fault(Fault::Refuse);
    let error = answer(&client, "hi").await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("primary/gpt-6.1-sol") && error.contains("backup/claude-sonnet-4-6"), "{error}");

    // An operator, or the program itself, closes the circuit once the primary works again.
    primary.heal();
    breaker.reset(now());
    assert_eq!(answer(&client, "hi").await?, "Hello from openai.");
    Ok(())
}
