use fb_testkit::script;

use super::*;
use crate::{ChatRequest, Client, LadderConfig, Options, Rung};

const MISSING: &str = "no passing evaluation, but require_eval is true; run `fb eval`";

fn route(require_eval: bool) -> Route {
    let reduced = Rung { targets: vec![Target::new("b", "small")], ..Rung::default() };
    let ladder = LadderConfig { reduced: Some(reduced), ..LadderConfig::default() };
    let targets = [Target::new("a", "m"), Target::new("b", "m").enabled(false)];
    Route { require_eval, ..Route::priority("default", targets).ladder(ladder) }
}

fn evaluations(passed: &[&str]) -> Evaluations {
    let mut evaluations = Evaluations::default();
    for target in passed {
        evaluations.record_pass("default", &target.parse().unwrap());
    }
    evaluations
}

fn build(require_eval: bool, passed: &[&str]) -> Result<Client, String> {
    let mut builder = Client::builder().route(route(require_eval)).evaluations(evaluations(passed));
    for (name, provider) in script("a: 200 / b: 200 / c: 200").providers() {
        builder = builder.provider(&name, provider).models(&name, ["m".to_owned()]);
    }
    builder.build().map_err(|error| error.to_string())
}

#[test]
fn required_evaluation_covers_every_enabled_target_of_the_route() {
    assert!(build(false, &[]).is_ok());
    assert!(build(true, &["a/m", "b/small"]).is_ok());
    assert_eq!(
        build(true, &["b/m"]).unwrap_err(),
        format!(
            "routes.default.targets[0] = a/m: {MISSING}; routes.default.ladder.reduced.targets[0] = b/small: {MISSING}"
        )
    );
    let mut other_route = Evaluations::default();
    other_route.record_pass("other", &"a/m".parse().unwrap());
    assert_eq!(other_route.missing(&route(true)).len(), 2);
}

#[test]
fn requests_of_a_strict_route_cannot_leave_for_a_lax_one() {
    let named = |name: &str, require_eval: bool| Route {
        name: name.to_owned(),
        require_eval,
        ladder: LadderConfig::default(),
        ..route(require_eval)
    };
    let classes = ClassRoutes {
        simple: Some("lax".to_owned()),
        moderate: Some("missing".to_owned()),
        complex: Some("other strict".to_owned()),
    };
    let strict = Route { classes, downshift: Some("lax".to_owned()), ..named("strict", true) };
    let problems = |strict: &Route| {
        let mut evaluations = Evaluations::default();
        for name in ["strict", "other strict"] {
            evaluations.record_pass(name, &"a/m".parse().unwrap());
        }
        let mut problems = Vec::new();
        let routes = [strict, &named("lax", false), &named("other strict", true)];
        check_evaluations(&evaluations, &routes, &mut problems);
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = "require_eval is true here and not there; expected a route with require_eval";
    assert_eq!(
        problems(&strict),
        [
            format!("routes.strict.classes.simple = \"lax\": {expected}"),
            format!("routes.strict.downshift = \"lax\": {expected}")
        ]
    );
    let lax = Route { require_eval: false, ..strict };
    assert_eq!(problems(&lax), [""; 0], "a lax route may name any other");
}

#[tokio::test(start_paused = true)]
async fn preferred_target_without_evaluation_is_skipped() {
    let request = || {
        let options = Options { prefer: Some("c/m".to_owned()), ..Options::default() };
        ChatRequest::user("hi").with_options(options)
    };
    let client = build(true, &["a/m", "b/small"]).unwrap();
    let answer = client.chat(request()).await.unwrap();
    assert_eq!(answer.served_by(), "a/m");
    let skipped = "c/m skipped: inadmissible: prefer: no evaluated target of the route";
    assert!(answer.trace().one_line().starts_with(skipped), "{}", answer.trace().one_line());
    assert_eq!(build(false, &[]).unwrap().chat(request()).await.unwrap().served_by(), "c/m");
}
