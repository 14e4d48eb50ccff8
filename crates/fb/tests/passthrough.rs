//! A request in the dialect of its target is forwarded without parsing its messages.

use std::error::Error;

use fb::{Client, Route, Target, providers::ProviderConfig};
use fb_sim::{Dialect, Sim};

const BODY: &str = r#"{"model":"default","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn messages_in_the_targets_dialect_are_not_parsed() -> Result<(), Box<dyn Error>> {
    let sim = Sim::start(Dialect::OpenAi).await?;
    let config = ProviderConfig::with_key("openai", "any key");
    let provider = config.base_url(sim.base_url()).build()?;
    let client = Client::builder()
        .provider("openai", provider)
        .route(Route::priority("default", [Target::new("openai", "gpt-6.1-sol")]))
        .build()?;
    let (plain, streamed) = (fb_wire::openai::request(BODY.into())?, fb_wire::openai::request(BODY.into())?);
    client.chat(plain.clone()).await?;
    client.stream(streamed.clone()).await?.collect().await?;
    assert_eq!(sim.calls(), 2);
    assert!(plain.parsed().is_none(), "the plain request was parsed");
    assert!(streamed.parsed().is_none(), "the streamed request was parsed");
    Ok(())
}
