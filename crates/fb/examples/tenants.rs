//! Two tenants of one client: one reaches its daily limit and gets status 402, the other is still served.

use std::sync::Arc;

use fb::{
    Chat, ChatRequest, Client, Error, Limits, Message, Options, Price, Provider, Role, Route, Target,
    providers::ProviderConfig,
};
use fb_sim::{Dialect, Sim, SimReply};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

/// Creates a request of a tenant. The highest possible cost of its answer is reserved before the call.
fn request(tenant: &str) -> ChatRequest {
    let messages = vec![Message::text(Role::User, "What is a budget?")];
    let chat = Chat { messages, max_tokens: Some(100), ..Chat::default() };
    let options = Options { tenant: Some(tenant.into()), ..Options::default() };
    ChatRequest::from_chat("default", chat).with_options(options)
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sim = Sim::start(Dialect::OpenAi).await?;
    sim.reply(SimReply::text("What may be spent. ".repeat(20)));
    // A tenth of a cent a token.
    let price = Price { input: 1_000.0, output: 1_000.0 };
    let target = Target { price: Some(price), ..Target::new("openai", "gpt-6.1-sol") };
    let dollars = |usd| Limits::with(|limits| limits.usd_per_day = Some(usd));
    let client = Client::builder()
        .provider("openai", provider(&sim)?)
        .route(Route::priority("default", [target]))
        .tenant("acme", dollars(0.2))
        .tenant("beta", dollars(10.0))
        .build()?;

    for tenant in ["acme", "acme", "acme", "beta"] {
        match client.chat(request(tenant)).await {
            Ok(answer) => println!("{tenant}: 200\n{}", answer.trace()),
            Err(error) => {
                let trace = error.report().map(|report| &report.trace).ok_or("expected a trace")?;
                println!("{tenant}: {} {}\n{trace}", error.status(), error.code());
            }
        }
    }
    for (tenant, used, standing) in client.tenants() {
        let (spent, calls) = (used.used.cost(), used.used.calls);
        println!("{tenant}: {spent} for {calls} calls, {} refused, {standing:?}", used.refused);
    }
    println!("calls to the provider: {}", sim.calls());
    Ok(())
}
