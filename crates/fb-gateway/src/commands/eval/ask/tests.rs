use std::path::PathBuf;

use fb::{QualityConfig, Rung, TargetCapabilities, providers::ProviderConfig};
use fb_sim::{BlockForm, Dialect, Fault, Sim, SimReply};
use futures_util::{StreamExt, stream};

use super::*;
use crate::{
    commands::eval::{EvalArgs, run, tests::Folder},
    evaluations::Results,
};

/// A simulated provider `a` and what is asked of it.
struct World {
    sim: Sim,
    config: Config,
}

impl World {
    async fn new(route: Route) -> Self {
        let sim = Sim::start(Dialect::OpenAi).await.unwrap();
        let base_url = Some(sim.base_url());
        let provider = ProviderConfig { base_url, ..ProviderConfig::with_key("openai", "sk-test") };
        let config = Config {
            providers: BTreeMap::from([("a".to_owned(), provider)]),
            routes: BTreeMap::from([("default".to_owned(), route)]),
            ..Config::default()
        };
        Self { sim, config }
    }

    fn bench(&self) -> Bench {
        Bench::new(&self.config, "default").unwrap()
    }
}

fn target(model: &str) -> Target {
    Target::new("a", model).max_retries(0)
}

fn route(targets: impl IntoIterator<Item = Target>) -> Route {
    Route::priority("default", targets)
}

fn case(line: &str) -> Case {
    Case::read(line, 1).unwrap()
}

#[tokio::test]
async fn a_target_that_takes_few_is_asked_one_after_the_other() {
    let world = World::new(route([target("m").max_in_flight(1)])).await;
    let slow = std::time::Duration::from_millis(50);
    world.sim.reply(SimReply { latency: slow, ..SimReply::default() });
    let (bench, case) = (world.bench(), case(r#"{"text":"hi"}"#));
    let mut asked = stream::iter(0..3).map(|_| bench.ask(0, &case)).buffer_unordered(3);
    for calls in 1..=3 {
        let outcome = asked.next().await.unwrap();
        assert_eq!((outcome.verdict, outcome.why), (Verdict::Pass, None));
        assert_eq!(world.sim.calls(), calls, "at most one at a time");
    }
}

#[tokio::test]
async fn every_target_of_the_route_and_its_ladder_is_asked_once_but_none_that_is_disabled() {
    let lower = Rung { targets: vec![target("small"), target("m")], ..Rung::default() };
    let ladder = LadderConfig { reduced: Some(lower), ..LadderConfig::default() };
    let targets = [target("m"), target("off").enabled(false), target("m"), target("m").timeout_secs(9)];
    let world = World::new(route(targets).ladder(ladder)).await;
    let (bench, case) = (world.bench(), case(r#"{"text":"hi"}"#));
    let labels: Vec<&str> = bench.targets().iter().map(|listed| listed.label.as_str()).collect();
    assert_eq!(labels, ["a/m", "a/m #2", "a/small"]);
    for place in 0..labels.len() {
        let outcome = bench.ask(place, &case).await;
        assert_eq!((&outcome.target, outcome.verdict), (&bench.targets()[place].name, Verdict::Pass));
    }
    let models = world.sim.requests().into_iter().map(|request| request.json().unwrap()["model"].clone());
    assert_eq!(models.collect::<Vec<_>>(), ["m", "m", "small"]);
}

#[tokio::test]
async fn an_outcome_is_of_the_whole_case_and_of_what_is_checked() {
    let world = World::new(route([target("m"), target("n")])).await;
    let key = |config: &Config, place: usize, line: &str| {
        Bench::new(config, "default").unwrap().key(place, &case(line))
    };
    let (line, other) = (r#"{"id":"x","text":"hi"}"#, r#"{"id":"x","text":"ho"}"#);
    let mut checked = world.config.clone();
    for route in checked.routes.values_mut() {
        route.quality = QualityConfig { empty: true, ..QualityConfig::default() };
    }
    let usual = key(&world.config, 0, line);
    assert_eq!(key(&world.config, 0, line), usual);
    for another in [key(&world.config, 0, other), key(&world.config, 1, line), key(&checked, 0, line)] {
        assert_ne!(another, usual);
    }
}

/// What comes of `{"text":"hi"}` with these fields more: the verdict, why and the number of calls.
async fn judged(world: &World, more: &str, expected: (Verdict, Option<&str>, u32)) -> Option<AnswerContent> {
    let outcome = world.bench().ask(0, &case(&format!(r#"{{"text":"hi"{more}}}"#))).await;
    let why = outcome.why.as_deref();
    assert_eq!((outcome.verdict, why, outcome.calls), expected, "{more}");
    outcome.said
}

#[tokio::test]
async fn an_answer_is_judged_by_what_the_case_expects_and_the_route_checks() {
    use Verdict::{Fail, Pass};
    let mut strict = route([target("m")]);
    strict.quality = QualityConfig { empty: true, ..QualityConfig::default() };
    let world = World::new(strict).await;
    let said = judged(&world, r#","expect":{"contains":"hello"}"#, (Pass, None, 1)).await;
    assert_eq!(
        said,
        Some(AnswerContent { text: "Hello from openai.".to_owned(), ..AnswerContent::default() })
    );
    let why = "contains: no `bye` in `Hello from openai.`";
    judged(&world, r#","expect":{"contains":"bye"}"#, (Fail, Some(why), 1)).await;
    world.sim.reply(SimReply::text(""));
    let why = "no target could answer: quality (empty: nothing, expected text or a tool call)";
    assert_eq!(judged(&world, "", (Fail, Some(why), 1)).await, None, "what a check turned down is not kept");
}

#[tokio::test]
async fn a_long_answer_is_judged_whole_and_kept_in_part() {
    let world = World::new(route([target("m")])).await;
    world.sim.reply(SimReply::text("ü".repeat(1 << 20) + "end"));
    let said = judged(&world, r#","expect":{"contains":"end"}"#, (Verdict::Pass, None, 1)).await.unwrap();
    assert_eq!(said.text, "ü".repeat(1 << 15) + "… (2097155 bytes in all)");
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    use Verdict::{Fail, Pass};
    let world = World::new(route([target("m")])).await;
    world.sim.fault(Fault::Block(BlockForm::Refusal));
    let words = "I can't help with that.";
    let said = judged(&world, r#","expect":{"refused":true}"#, (Pass, None, 1)).await;
    assert_eq!(said, Some(AnswerContent::refusal(words)));
    let why = format!("refused: in the words `{words}`");
    judged(&world, "", (Fail, Some(&why), 1)).await;
}

#[tokio::test]
async fn what_speaks_against_the_target_is_told_from_what_keeps_it_from_answering() {
    use Verdict::{Error, Fail};
    let world = World::new(route([target("m")])).await;
    for (fault, verdict, kind) in [
        (Fault::status(400), Fail, "invalid_request"),
        (Fault::ContextLength, Fail, "context_length"),
        (Fault::status(413), Fail, "too_large"),
        (Fault::MalformedJson, Fail, "malformed"),
        (Fault::status(500), Error, "server_error"),
        (Fault::status(401), Error, "auth"),
        (Fault::Reset, Error, "network"),
    ] {
        world.sim.fault(fault.clone());
        let outcome = world.bench().ask(0, &case(r#"{"text":"hi"}"#)).await;
        let why = outcome.why.unwrap_or_default();
        assert_eq!((outcome.verdict, outcome.said, outcome.calls), (verdict, None, 1), "{fault}: {why}");
        assert!(why.contains(kind), "{fault}: {why}");
    }
}

#[tokio::test]
async fn a_target_that_cannot_take_the_request_fails_without_a_call() {
    let capabilities = TargetCapabilities { tools: Some(false), ..TargetCapabilities::default() };
    let world = World::new(route([Target { capabilities, ..target("m") }])).await;
    let tools = r#","tool_choice":"required","tools":[{"type":"function","function":{"name":"find"}}]"#;
    judged(&world, tools, (Verdict::Fail, Some("a/m skipped: inadmissible: tools: calls no functions"), 0))
        .await;
    assert_eq!(world.sim.calls(), 0);
}

#[tokio::test]
async fn a_known_outcome_is_called_by_the_case_of_today_and_a_route_by_its_own_name() {
    let world = World::new(route([target("m")]).alias("usual")).await;
    let bench = Bench::new(&world.config, "usual").unwrap();
    let [first, second] = [1, 2].map(|number| Case::read(r#"{"text":"hi"}"#, number).unwrap());
    let args = EvalArgs {
        config: PathBuf::new(),
        cases: PathBuf::new(),
        route: "usual".to_owned(),
        results: None,
        again: false,
        min_pass: None,
        concurrency: 1,
        report: None,
    };
    let folder = Folder::new("known");
    let mut cases = Vec::new();
    for (case, calls) in [(first, 1), (second, 1)] {
        let mut results = Results::open(Some(&folder.0.join("results.jsonl"))).unwrap();
        let summary = run(&args, &bench, &[case], &mut results).await.unwrap();
        cases.push((summary.route, summary.targets[0].outcomes[0].case.clone()));
        assert_eq!(world.sim.calls(), calls, "it is known");
    }
    let named = |case: &str| ("default".to_owned(), case.to_owned());
    assert_eq!(cases, [named("case 1"), named("case 2")]);
    let error = Bench::new(&world.config, "other").map(drop).unwrap_err();
    assert_eq!(error, "no route is named \"other\"; routes: default");
}
