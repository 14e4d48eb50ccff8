use std::path::PathBuf;

use fb::{QualityConfig, Rung, TargetCapabilities, providers::ProviderConfig};
use fb_sim::{BlockForm, Dialect, Fault, Sim, SimReply};
use futures_util::{StreamExt, stream};

use super::*;
use crate::{
    commands::eval::{EvalArgs, run, tests::Folder},
    evaluations::ResultsFile,
};

/// A simulated provider `a`, and a config that uses it.
struct Testbed {
    sim: Sim,
    config: Config,
}

impl Testbed {
    async fn new(route: Route) -> Self {
        let sim = Sim::start(Dialect::OpenAi).await.unwrap();
        let base_url = Some(sim.base_url());
        let mut provider = ProviderConfig::with_key("openai", "sk-test");
        provider.base_url = base_url;
        let config = Config::with(|config| {
            config.providers = BTreeMap::from([("a".to_owned(), provider)]);
            config.routes = BTreeMap::from([("default".to_owned(), route)]);
        });
        Self { sim, config }
    }

    fn evaluator(&self) -> Evaluator {
        Evaluator::new(&self.config, "default").unwrap()
    }
}

fn target(model: &str) -> Target {
    Target::new("a", model).max_retries(0)
}

fn route(targets: impl IntoIterator<Item = Target>) -> Route {
    Route::priority("default", targets)
}

fn case(line: &str) -> Case {
    Case::parse(line, 1).unwrap()
}

#[tokio::test]
async fn max_in_flight_limits_concurrent_cases() {
    let testbed = Testbed::new(route([target("m").max_in_flight(1)])).await;
    let slow = std::time::Duration::from_millis(50);
    testbed.sim.reply(SimReply { latency: slow, ..SimReply::default() });
    let (evaluator, case) = (testbed.evaluator(), case(r#"{"text":"hi"}"#));
    let mut runs = stream::iter(0..3).map(|_| evaluator.run_case(0, &case)).buffer_unordered(3);
    for calls in 1..=3 {
        let outcome = runs.next().await.unwrap();
        assert_eq!((outcome.verdict, outcome.reason), (Verdict::Pass, None));
        assert_eq!(testbed.sim.calls(), calls, "at most one at a time");
    }
}

#[tokio::test]
async fn enabled_targets_of_route_and_ladder_are_called_once() {
    let lower = Rung::with(|rung| rung.targets = vec![target("small"), target("m")]);
    let ladder = LadderConfig::with(|config| config.reduced = Some(lower));
    let targets = [target("m"), target("off").enabled(false), target("m"), target("m").timeout_secs(9)];
    let testbed = Testbed::new(route(targets).ladder(ladder)).await;
    let (evaluator, case) = (testbed.evaluator(), case(r#"{"text":"hi"}"#));
    let labels: Vec<&str> = evaluator.targets().iter().map(|target| target.label.as_str()).collect();
    assert_eq!(labels, ["a/m", "a/m #2", "a/small"]);
    for index in 0..labels.len() {
        let outcome = evaluator.run_case(index, &case).await;
        assert_eq!((&outcome.target, outcome.verdict), (&evaluator.targets()[index].name, Verdict::Pass));
    }
    let models = testbed.sim.requests().into_iter().map(|request| request.json().unwrap()["model"].clone());
    assert_eq!(models.collect::<Vec<_>>(), ["m", "m", "small"]);
}

#[tokio::test]
async fn key_depends_on_case_target_and_gates() {
    let testbed = Testbed::new(route([target("m"), target("n")])).await;
    let key = |config: &Config, target_index: usize, line: &str| {
        Evaluator::new(config, "default").unwrap().key(target_index, &case(line))
    };
    let (line, other) = (r#"{"id":"x","text":"hi"}"#, r#"{"id":"x","text":"ho"}"#);
    let mut checked = testbed.config.clone();
    for route in checked.routes.values_mut() {
        route.quality = QualityConfig::with(|config| config.empty = true);
    }
    let original = key(&testbed.config, 0, line);
    assert_eq!(key(&testbed.config, 0, line), original);
    for another in [key(&testbed.config, 0, other), key(&testbed.config, 1, line), key(&checked, 0, line)] {
        assert_ne!(another, original);
    }
}

/// Runs the case `{"text":"hi"}` with these additional fields, checks verdict, reason and number of calls, and returns
/// the answer.
async fn check(
    testbed: &Testbed,
    more: &str,
    expected: (Verdict, Option<&str>, u32),
) -> Option<AnswerContent> {
    let (evaluator, case) = (testbed.evaluator(), case(&format!(r#"{{"text":"hi"{more}}}"#)));
    let outcome = Box::pin(evaluator.run_case(0, &case)).await;
    let reason = outcome.reason.as_deref();
    assert_eq!((outcome.verdict, reason, outcome.calls), expected, "{more}");
    outcome.answer
}

#[tokio::test]
async fn answer_is_judged_by_the_case_and_the_gates() {
    use Verdict::{Fail, Pass};
    let mut strict = route([target("m")]);
    strict.quality = QualityConfig::with(|config| config.empty = true);
    let testbed = Testbed::new(strict).await;
    let answer = check(&testbed, r#","expect":{"contains":"hello"}"#, (Pass, None, 1)).await;
    assert_eq!(
        answer,
        Some(AnswerContent { text: "Hello from openai.".to_owned(), ..AnswerContent::default() })
    );
    let reason = "contains: no `bye` in `Hello from openai.`";
    check(&testbed, r#","expect":{"contains":"bye"}"#, (Fail, Some(reason), 1)).await;
    testbed.sim.reply(SimReply::text(""));
    let reason = "no target could answer: quality (empty: nothing, expected text or a tool call)";
    assert_eq!(check(&testbed, "", (Fail, Some(reason), 1)).await, None, "a rejected answer is not kept");
}

#[tokio::test]
async fn long_answer_is_judged_before_it_is_truncated() {
    let testbed = Testbed::new(route([target("m")])).await;
    testbed.sim.reply(SimReply::text("ü".repeat(1 << 20) + "end"));
    let answer = check(&testbed, r#","expect":{"contains":"end"}"#, (Verdict::Pass, None, 1)).await.unwrap();
    assert_eq!(answer.text, "ü".repeat(1 << 15) + "… (2097155 bytes in all)");
}

#[tokio::test]
async fn refusal_is_an_answer() {
    use Verdict::{Fail, Pass};
    let testbed = Testbed::new(route([target("m")])).await;
    testbed.sim.fault(Fault::Block(BlockForm::Refusal));
    let words = "I can't help with that.";
    let answer = check(&testbed, r#","expect":{"refused":true}"#, (Pass, None, 1)).await;
    assert_eq!(answer, Some(AnswerContent::refusal(words)));
    let reason = format!("refused: in the words `{words}`");
    check(&testbed, "", (Fail, Some(&reason), 1)).await;
}

#[tokio::test]
async fn failure_of_the_target_fails_the_case_and_an_outage_is_an_error() {
    use Verdict::{Error, Fail};
    let testbed = Testbed::new(route([target("m")])).await;
    for (fault, verdict, kind) in [
        (Fault::status(400), Fail, "invalid_request"),
        (Fault::ContextLength, Fail, "context_length"),
        (Fault::status(413), Fail, "too_large"),
        (Fault::MalformedJson, Fail, "malformed"),
        (Fault::status(500), Error, "server_error"),
        (Fault::status(401), Error, "auth"),
        (Fault::Reset, Error, "network"),
    ] {
        testbed.sim.fault(fault.clone());
        let outcome = testbed.evaluator().run_case(0, &case(r#"{"text":"hi"}"#)).await;
        let reason = outcome.reason.unwrap_or_default();
        assert_eq!((outcome.verdict, outcome.answer, outcome.calls), (verdict, None, 1), "{fault}: {reason}");
        assert!(reason.contains(kind), "{fault}: {reason}");
    }
}

#[tokio::test]
async fn inadmissible_target_fails_without_a_call() {
    let capabilities = TargetCapabilities::with(|capabilities| capabilities.tools = Some(false));
    let testbed = Testbed::new(route([Target { capabilities, ..target("m") }])).await;
    let tools = r#","tool_choice":"required","tools":[{"type":"function","function":{"name":"find"}}]"#;
    check(&testbed, tools, (Verdict::Fail, Some("a/m skipped: inadmissible: tools: calls no functions"), 0))
        .await;
    assert_eq!(testbed.sim.calls(), 0);
}

#[tokio::test]
async fn known_outcome_has_the_current_case_id_and_the_name_of_the_route() {
    let testbed = Testbed::new(route([target("m")]).alias("usual")).await;
    let evaluator = Evaluator::new(&testbed.config, "usual").unwrap();
    let [first, second] = [1, 2].map(|number| Case::parse(r#"{"text":"hi"}"#, number).unwrap());
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
        let mut results = ResultsFile::open(Some(&folder.0.join("results.jsonl"))).unwrap();
        let summary = run(&args, &evaluator, &[case], &mut results).await.unwrap();
        cases.push((summary.route, summary.targets[0].outcomes[0].case.clone()));
        assert_eq!(testbed.sim.calls(), calls, "the outcome is known");
    }
    let named = |case: &str| ("default".to_owned(), case.to_owned());
    assert_eq!(cases, [named("case 1"), named("case 2")]);
    let error = Evaluator::new(&testbed.config, "other").map(drop).unwrap_err();
    assert_eq!(error, "no route \"other\"; routes: default");
}
