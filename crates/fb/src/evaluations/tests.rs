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
