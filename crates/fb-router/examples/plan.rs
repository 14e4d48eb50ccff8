//! Prints the plans of a few requests under every strategy.
//!
//! `cargo run -p fb-router --example plan`

use std::{error::Error, time::Duration};

use fb_core::{Capabilities, Chat, ChatRequest, Eligibility, Message, Price, Role, Skip, TargetId, Tool};
use fb_router::{
    Candidate, Classifier, Facts, Plan, Router, RouterConfig, Rules, ServedRequest, Signals, Strategy,
    savings,
};

#[expect(clippy::print_stdout, reason = "the output is the purpose of an example")]
fn show(title: &str, plan: &Plan) {
    println!("{title}\n{plan}");
}

fn tools() -> ChatRequest {
    let tool = Tool { name: "weather".to_owned(), description: None, parameters: None, strict: None };
    let messages = vec![Message::text(Role::User, "do I need an umbrella?")];
    ChatRequest::from_chat("default", Chat { messages, tools: vec![tool], ..Chat::default() })
}

#[expect(clippy::print_stdout, reason = "the output is the purpose of an example")]
fn main() -> Result<(), Box<dyn Error>> {
    let (large, small, local): (TargetId, TargetId, TargetId) =
        ("openai/large".parse()?, "azure-eu/small".parse()?, "local/tiny".parse()?);
    let best = Price { input: 2.0, output: 10.0 };
    let candidates = [
        Candidate {
            priority: 0,
            weight: 70.0,
            price: Some(best),
            region: Some("us"),
            latency: Some(0.9),
            p95: Some(Duration::from_millis(1_800)),
            samples: 400,
            in_flight: 3,
            ..Candidate::new(&large)
        },
        Candidate {
            priority: 1,
            weight: 30.0,
            price: Some(Price { input: 0.2, output: 0.8 }),
            region: Some("eu"),
            latency: Some(0.4),
            ..Candidate::new(&small)
        },
        Candidate {
            priority: 2,
            weight: 10.0,
            price: Some(Price { input: 0.0, output: 0.0 }),
            region: Some("eu"),
            capabilities: Capabilities { tools: false, ..Capabilities::default() },
            eligibility: Eligibility::unusable(Skip::Cooling, Some(Duration::from_secs(20))),
            ..Candidate::new(&local)
        },
    ];
    let sky = ChatRequest::user("why is the sky blue?");
    let facts = Facts { sticky_key: Some("user-7"), ..Facts::from_request(&sky) };
    for strategy in [
        Strategy::Priority,
        Strategy::Weighted,
        Strategy::Fastest,
        Strategy::Cheapest,
        Strategy::LeastBusy,
        Strategy::Sticky,
        Strategy::Race,
        Strategy::Hedged,
    ] {
        let config = RouterConfig::with(|config| config.strategy = strategy);
        config.check(&candidates)?;
        // A program passes random numbers here.
        let plan = Router::new(config)?.plan(&candidates, &facts, [0.1, 0.6]);
        show(&format!("{strategy:?}"), &plan);
    }

    let router = Router::new(RouterConfig::default())?;
    let regions = ["eu".to_owned()];
    let tools = tools();
    let facts = Facts { regions: Some(&regions), ..Facts::from_request(&tools) };
    show("Tools, in the EU only", &router.plan(&candidates, &facts, [0.0; 2]));

    for text in ["what is the capital of France?", "prove that there is no largest prime"] {
        println!("{text:40} {}", Rules::default().classify(&Signals::from_text(text)));
    }

    let requests = [
        ServedRequest::from_text(&large, "prove it", 900),
        ServedRequest::from_text(&small, "what is it?", 100),
    ];
    let price = |target: &TargetId| candidates.iter().find(|one| one.target == target)?.price;
    let saved = savings(&requests, price, best)?;
    let percent = saved.saved_percent().unwrap_or_default();
    println!("spent {}, the best model alone {}: {percent:.1} % saved", saved.spent, saved.against_best);
    Ok(())
}
