use expect_test::{Expect, expect};

use super::*;

const PROVIDERS: &str = r#"
[providers.a]
kind = "openai"
api_key = { env = "FB_TEST_NO_SUCH_KEY" }
[providers.b]
kind = "anthropic"
api_key = { file = "/no/such/file" }
"#;

fn results(routes: &str, requests: u32) -> Vec<OutageResult> {
    let config = config::parse_without_keys(&format!("{PROVIDERS}{routes}")).unwrap().fb;
    let routes = select_routes(&config, None).unwrap();
    simulate(&config, &routes, requests).unwrap()
}

#[track_caller]
fn check(routes: &str, expected: &Expect) {
    let first = results(routes, 3);
    expected.assert_eq(&print(&first, 3));
    assert_eq!(first, results(routes, 3), "the same table every time");
}

#[test]
fn second_target_covers_one_outage_and_the_cache_covers_both() {
    check(
        r#"
        [routes.default]
        cache = { stale_if_error = true }
        targets = [{ provider = "a", model = "m", timeout = "20s" }, { provider = "b", model = "n" }]
        "#,
        &expect![[r#"
            route    down         fails with  answered by               level   calls  slowest     last
            default  a/m          503         b/n                       full        6    0.6 s    0.6 s
            default  a/m          no answer   b/n                       full        6   20.5 s   20.5 s
            default  a/m          401         b/n                       full        4    0.6 s    0.5 s
            default  a/m          429, 30 s   b/n                       full        4    0.6 s    0.5 s
            default  a/m          stream cut  b/n                       full        6    0.6 s    0.6 s
            default  b/n          503         a/m                       full        3    0.5 s    0.5 s
            default  b/n          no answer   a/m                       full        3    0.5 s    0.5 s
            default  b/n          401         a/m                       full        3    0.5 s    0.5 s
            default  b/n          429, 30 s   a/m                       full        3    0.5 s    0.5 s
            default  b/n          stream cut  a/m                       full        3    0.5 s    0.5 s
            default  all targets  503         cache                     cached     10    1.0 s    0.0 s
            default  all targets  no answer   cache                     cached      6  140.0 s  140.0 s
            default  all targets  401         502 upstream_credentials  error       2    0.2 s    0.0 s
            default  all targets  429, 30 s   cache                     cached      2    0.2 s    0.0 s
            default  all targets  stream cut  cache                     cached     10    1.0 s    0.0 s

            one target down: 10 outages, 10 survived, 0 with errors
            all targets down: 5 outages, 4 survived, 1 with errors
            requests per outage: 3, in virtual time; no provider was called"#]],
    );
}

#[test]
fn single_target_is_a_single_point_of_failure() {
    check(
        r#"
        [routes.default]
        last_resort_wait = "1s"
        targets = [{ provider = "a", model = "m" }]
        "#,
        &expect![[r#"
            route    down         fails with  answered by               level  calls  slowest     last
            default  a/m          503         502 upstream_error        error      6    1.1 s    0.1 s
            default  a/m          no answer   504 upstream_timeout      error      3  120.0 s  120.0 s
            default  a/m          401         502 upstream_credentials  error      1    0.1 s    0.0 s
            default  a/m          429, 30 s   429 rate_limit_exceeded   error      2    0.1 s    0.0 s
            default  a/m          stream cut  502 upstream_interrupted  error      6    1.1 s    0.1 s
            default  all targets  503         502 upstream_error        error      6    1.1 s    0.1 s
            default  all targets  no answer   504 upstream_timeout      error      3  120.0 s  120.0 s
            default  all targets  401         502 upstream_credentials  error      1    0.1 s    0.0 s
            default  all targets  429, 30 s   429 rate_limit_exceeded   error      2    0.1 s    0.0 s
            default  all targets  stream cut  502 upstream_interrupted  error      6    1.1 s    0.1 s

            one target down: 5 outages, 0 survived, 5 with errors
            all targets down: 5 outages, 0 survived, 5 with errors
            requests per outage: 3, in virtual time; no provider was called"#]],
    );
}

#[test]
fn rejected_key_affects_its_provider_and_the_fixed_answer_comes_last() {
    let results = results(
        r#"
        [routes.default]
        last_resort_wait = "1s"
        ladder = { offline = {} }
        classes = { simple = "small" }
        targets = [{ provider = "a", model = "m" }, { provider = "a", model = "n" }]
        [routes.small]
        targets = [{ provider = "b", model = "n" }]
        "#,
        1,
    );
    let own = results.iter().filter(|result| result.route == "default");
    let answers: Vec<_> = own.map(|result| (result.fault, &result.requests[0].answered_by)).collect();
    let by = |source: &str| Ok(source.to_owned());
    let (m, n, fixed) = (by("a/m"), by("a/n"), by("static"));
    let with_faults = |one: [&Result<String, String>; 5]| {
        Fault::ALL.into_iter().zip(one.map(Clone::clone)).collect::<Vec<_>>()
    };
    let first = with_faults([&n, &n, &fixed, &n, &n]);
    let second = with_faults([&m; 5]);
    let all = with_faults([&fixed; 5]);
    let expected: Vec<_> = [first, second, all].concat();
    assert_eq!(answers, expected.iter().map(|(fault, answer)| (*fault, answer)).collect::<Vec<_>>());
}

#[test]
fn one_route_can_be_selected() {
    let config = config::parse_without_keys(&format!(
        "{PROVIDERS}
        [routes.one]
        targets = [{{ provider = \"a\", model = \"m\" }}, {{ provider = \"b\", model = \"n\", enabled = false }}]
        [routes.two]
        targets = [{{ provider = \"b\", model = \"n\" }}]"
    ))
    .unwrap()
    .fb;
    let one = select_routes(&config, Some("one")).unwrap();
    assert_eq!(one.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(), ["one"]);
    assert_eq!(enabled_targets(one[0]), Ok(vec!["a/m".parse().unwrap()]));
    assert_eq!(select_routes(&config, Some("three")).unwrap_err(), "no route \"three\"; routes: one, two");
}
