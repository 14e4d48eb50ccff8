//! Golden cases at two targets. The fallback fails one of them, so a route that requires an evaluation rejects it.

use std::sync::Arc;

use fb::{
    AnswerContent, Chat, ChatRequest, Client, Error, Evaluations, Expect, Expectation, Message, Provider,
    Role, Route, Target, Tool, ToolChoice, difference, providers::ProviderConfig,
};
use fb_sim::{Dialect, Sim, SimReply};

/// Creates a provider that points at a simulator. Only the base URL differs from a real one.
fn provider(sim: &Sim) -> Result<Arc<dyn Provider>, Error> {
    let config = ProviderConfig::with_key(sim.dialect().to_string(), "any key");
    Ok(config.base_url(sim.base_url()).build()?)
}

/// Returns the golden cases: requests, each with the expected properties of its answer.
fn cases() -> Result<Vec<(Chat, Expectation)>, Box<dyn std::error::Error>> {
    let chat = |text: &str| Chat { messages: vec![Message::text(Role::User, text)], ..Chat::default() };
    let capital = Expect { contains: vec!["Paris".to_owned()], ..Expect::default() };
    let order = Expect { tool: Some("find_order".to_owned()), ..Expect::default() };
    let find = Tool { name: "find_order".to_owned(), description: None, parameters: None, strict: None };
    let with_tool =
        Chat { tools: vec![find], tool_choice: Some(ToolChoice::Required), ..chat("Where is order 4711?") };
    Ok(vec![
        (chat("What is the capital of France?"), Expectation::new(capital)?),
        (with_tool, Expectation::new(order)?),
    ])
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the output of the example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (primary, backup) = (Sim::start(Dialect::OpenAi).await?, Sim::start(Dialect::Anthropic).await?);
    primary.reply(SimReply::text("The capital of France is Paris."));
    backup.reply(SimReply::text("Let me think about that."));
    let builder = || -> Result<_, Error> {
        Ok(Client::builder()
            .provider("openai", provider(&primary)?)
            .provider("anthropic", provider(&backup)?))
    };
    let targets = ["openai/gpt-6.1-sol", "anthropic/claude-sonnet-4-6"];
    let route = Route::priority(
        "default",
        [Target::new("openai", "gpt-6.1-sol"), Target::new("anthropic", "claude-sonnet-4-6")],
    );

    let client = builder()?.route(route.clone()).build()?;
    let mut evaluations = Evaluations::default();
    let mut reference: Vec<AnswerContent> = Vec::new();
    for target in targets {
        let mut passed = true;
        for (index, (chat, expectation)) in cases()?.into_iter().enumerate() {
            let answer = client.chat(ChatRequest::from_chat(target, chat)).await?;
            let content = AnswerContent::from(&answer.reply);
            let verdict = expectation.check(&content);
            let differs = reference.get(index).and_then(|primary| difference(primary, &content));
            println!("{target} {index}: {verdict:?}, differs: {differs:?}");
            passed &= verdict.is_ok();
            if target == targets[0] {
                reference.push(content);
            }
        }
        if passed {
            evaluations.record_pass("default", &target.parse()?);
        }
    }
    let strict = Route { require_eval: true, ..route };
    let rejected = builder()?.route(strict).evaluations(evaluations).build();
    println!("{}", rejected.err().map(|error| error.to_string()).unwrap_or_default());
    Ok(())
}
