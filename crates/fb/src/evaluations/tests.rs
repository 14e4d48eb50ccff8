use fb_testkit::script;

use super::*;
use crate::{ChatRequest, Client, LadderConfig, Options, Rung};

fn route(require: bool) -> Route {
    let lower = Rung { targets: vec![Target::new("b", "small")], ..Rung::default() };
    let ladder = LadderConfig { reduced: Some(lower), ..LadderConfig::default() };
    let targets = [Target::new("a", "m"), Target::new("b", "m").enabled(false)];
    Route { require_eval: require, ..Route::priority("default", targets).ladder(ladder) }
}

fn passed_by(targets: &[&str]) -> Evaluations {
    let mut evaluations = Evaluations::default();
    for target in targets {
        evaluations.pass("default", &target.parse().unwrap());
    }
    evaluations
}

fn build(require: bool, passed: &[&str]) -> Result<Client, String> {
    let mut builder = Client::builder().route(route(require)).evaluations(passed_by(passed));
    for (name, provider) in script("a: 200 / b: 200 / c: 200").providers() {
        builder = builder.provider(&name, provider).models(&name, ["m".to_owned()]);
    }
    builder.build().map_err(|error| error.to_string())
}

#[test]
fn every_enabled_target_of_a_route_that_requires_it_has_passed_for_it() {
    assert!(build(false, &[]).is_ok());
    assert!(build(true, &["a/m", "b/small"]).is_ok());
    let why = "no passing evaluation, which require_eval asks for; `fb eval` makes one";
    assert_eq!(
        build(true, &["b/m"]).unwrap_err(),
        format!(
            "routes.default.targets[0] = a/m: {why}; routes.default.ladder.reduced.targets[0] = b/small: {why}"
        )
    );
    let mut of_another = Evaluations::default();
    of_another.pass("other", &"a/m".parse().unwrap());
    assert_eq!(of_another.missing(&route(true)).len(), 2);
}

#[test]
fn no_request_of_such_a_route_goes_to_one_that_requires_nothing() {
    let of = |name: &str, require_eval: bool| Route {
        name: name.to_owned(),
        require_eval,
        ladder: LadderConfig::default(),
        ..route(require_eval)
    };
    let classes = ClassRoutes {
        simple: Some("open".to_owned()),
        moderate: Some("gone".to_owned()),
        complex: Some("shut".to_owned()),
    };
    let strict = Route { classes, downshift: Some("open".to_owned()), ..of("strict", true) };
    let found = |strict: &Route| {
        let mut evaluations = Evaluations::default();
        for name in ["strict", "shut"] {
            evaluations.pass(name, &"a/m".parse().unwrap());
        }
        let mut found = Vec::new();
        check_evaluations(&evaluations, &[strict, &of("open", false), &of("shut", true)], &mut found);
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let why = "require_eval is true here and not there; expected a route with require_eval";
    assert_eq!(
        found(&strict),
        [
            format!("routes.strict.classes.simple = \"open\": {why}"),
            format!("routes.strict.downshift = \"open\": {why}")
        ]
    );
    let lax = Route { require_eval: false, ..strict };
    assert_eq!(found(&lax), [""; 0], "a route that requires nothing may go anywhere");
}

#[tokio::test(start_paused = true)]
async fn a_preferred_target_that_nobody_evaluated_is_passed_over() {
    let ask = || {
        let options = Options { prefer: Some("c/m".to_owned()), ..Options::default() };
        ChatRequest::user("hi").with_options(options)
    };
    let client = build(true, &["a/m", "b/small"]).unwrap();
    let answer = client.chat(ask()).await.unwrap();
    assert_eq!(answer.served_by(), "a/m");
    let refused = "c/m skipped: inadmissible: prefer: no evaluated target of the route";
    assert!(answer.trace().one_line().starts_with(refused), "{}", answer.trace().one_line());
    assert_eq!(build(false, &[]).unwrap().chat(ask()).await.unwrap().served_by(), "c/m");
}
