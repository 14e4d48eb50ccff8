//! Mechanism settings in three layers: global, per provider, per target. The innermost wins.

use fb_retry::{Jitter, RetryConfig};

use super::*;
use crate::Config;

const LAYERED: &str = r#"{
    "providers": {
        "a": { "kind": "ollama", "breaker": { "consecutive": 2 }, "retry": { "jitter": "none" } },
        "b": { "kind": "ollama" }
    },
    "breaker": { "open": { "base": "7s" } },
    "routes": { "default": { "targets": [
        { "provider": "a", "model": "x", "breaker": { "open": { "factor": 3.0 } } },
        { "provider": "a", "model": "y" },
        { "provider": "b", "model": "z", "health": { "window": "5m" } }
    ] } }
}"#;

#[test]
fn innermost_setting_wins_and_inherits_the_rest() {
    let config: Config = serde_json::from_str(LAYERED).unwrap();
    assert_eq!(config.problems(), []);
    let mut found = Vec::new();
    let all = config.mechanisms();
    let a = all.with_overrides(&(&config.providers["a"]).into(), "providers.a", &mut found);
    assert_eq!((a.breaker.consecutive, a.breaker.open.base), (Some(2), Duration::from_secs(7)));
    assert_eq!(a.retry.jitter, Jitter::None);
    let x = a.with_overrides(&(&config.routes["default"].targets[0]).into(), "x", &mut found);
    assert_eq!((x.breaker.consecutive, x.breaker.open.base), (Some(2), Duration::from_secs(7)));
    assert_eq!(x.breaker.open.factor.to_string(), "3");
    let z = all.with_overrides(&(&config.routes["default"].targets[2]).into(), "z", &mut found);
    assert_eq!((z.breaker, z.health.window), (all.breaker, Duration::from_secs(300)));
    assert_eq!(found, []);
}

#[test]
fn invalid_setting_is_reported_with_its_path() {
    let text = LAYERED
        .replace(r#""consecutive": 2"#, r#""consecutive": 0"#)
        .replace(r#""factor": 3.0"#, r#""factr": 3.0"#)
        .replace(r#""window": "5m""#, r#""window": "soon""#);
    let config: Config = serde_json::from_str(&text).unwrap();
    let problems: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
    expect![[r#"
        providers.a.breaker.consecutive = 0: expected at least 1
        routes.default.targets[0].breaker = (settings): unknown field `factr`, expected one of `base`, `factor`, `max`, `jitter`
        routes.default.targets[2].health = (settings): invalid value: string "soon", expected a duration"#]]
    .assert_eq(&problems.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn target_and_provider_override_breaker_and_retry() {
    let script = script("a: 503 / b: 503 / c: 200");
    let quick = BreakerConfig::with(|config| config.consecutive = Some(1));
    let still = RetryConfig::with(|config| {
        config.jitter = Jitter::None;
        config.base = Duration::from_secs(3);
        config.throttled_base = Duration::from_secs(3);
        config.max_retries = Some(1);
    });
    let mut builder = Client::builder().seed(7).provider_retry("b", &still).route(Route::priority(
        "default",
        [Target::new("a", "m").breaker(&quick), Target::new("b", "m"), Target::new("c", "m")],
    ));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    expect![[r#"
        ok "hello from c" by c/m
        0.000s  a/m  1  server_error (503)      0 ms  hop
        0.000s  b/m  1  server_error (503)      0 ms  retry in 3.00 s
        3.000s  b/m  2  server_error (503)      0 ms  hop
        3.000s  c/m  1  ok  15 tokens           0 ms
    "#]]
    .assert_eq(&plain(&client).await);
}

/// Creates a client of which three models of the provider `p` have failed with the script.
async fn after_three(script: &str, shared: bool) -> Client {
    let script = fb_testkit::script(&format!("p: {script} / q: 200"));
    let targets = ["one", "two", "three"].map(|model| Target::new("p", model).max_retries(0));
    let alone = Route {
        last_resort_wait: Duration::ZERO,
        when_all_unavailable: UnavailablePolicy::Fail,
        ..Route::priority("alone", [Target::new("p", "four")])
    };
    let mut builder = Client::builder()
        .seed(7)
        .breaker(BreakerConfig::with(|config| {
            config.consecutive = Some(3);
            config.shared = shared;
        }))
        .route(Route::priority("default", targets.into_iter().chain([Target::new("q", "m")])))
        .route(Route::priority("other", [Target::new("p", "four"), Target::new("q", "m")]))
        .route(alone);
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    plain(&client).await;
    client
}

/// Returns the outcome at a fourth model of a provider after its three others have failed with this fault.
async fn fourth_after(fault: &str, shared: bool) -> String {
    let client = after_three(fault, shared).await;
    let fourth = outcome(&client.chat(named("other")).await);
    assert_eq!(client.outstanding_permits(), 0);
    fourth
}

#[tokio::test(start_paused = true)]
async fn provider_that_can_be_reached_again_is_called_again() {
    let client = after_three("refused x3, 500, 200 in 1s", false).await;
    let alone = client.chat(named("alone")).await.unwrap_err();
    assert_eq!((alone.code(), alone.retry_after().is_some()), ("all_targets_unavailable", true), "{alone}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    // An error is an answer too.
    let failed = outcome(&client.chat(named("other")).await);
    assert!(failed.contains("p/four  1  server_error (500)"), "{failed}");
    let both = tokio::join!(client.chat(named("alone")), client.chat(named("alone")));
    assert_eq!([both.0, both.1].map(|answer| answer.unwrap().served_by()), ["p/four", "p/four"]);
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn failures_to_connect_open_the_breaker_of_the_provider() {
    for fault in ["refused", "unreachable", "reset"] {
        expect![[r#"
            ok "hello from q" by q/m
            0.000s  p/four     skipped: provider's breaker open, reopens in 4.43 s            hop
            0.000s  q/m     1  ok  15 tokens                                            0 ms
        "#]]
        .assert_eq(&fourth_after(fault, false).await);
    }
    for fault in ["500", "503", "429", "timeout", "malformed", "404"] {
        let fourth = fourth_after(fault, false).await;
        assert!(fourth.contains("p/four  1  "), "{fault}: {fourth}");
    }
    for (fault, is_called) in [("500", false), ("timeout", false), ("404", true)] {
        let fourth = fourth_after(fault, true).await;
        assert_eq!(fourth.contains("p/four  1  "), is_called, "shared {fault}: {fourth}");
    }
}

#[test]
fn builder_reports_providers_of_one_name_invalid_ones_and_missing_routes() {
    use crate::providers::{Ollama, OpenAi};

    let problems = |builder: crate::Builder| {
        let problems = builder.build().unwrap_err().problems;
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let route = Route::priority("default", [Target::new("local", "m"), Target::new("remote", "m")]);
    let builder = Client::builder()
        .provider("local", Ollama::local())
        .provider("local", Ollama::new().base_url("http://other:11434"))
        .provider("remote", OpenAi::new("k").base_url("llm.example.com"));
    expect![[r#"
        providers.local = "local": the name of another provider too; expected a unique name for every provider
        providers.remote.base_url = "llm.example.com": relative URL without a base; expected an address such as "https://api.example.com/v1""#]].assert_eq(&problems(builder.route(route)));
    expect!["routes = (none): expected at least one route, or models of a provider"]
        .assert_eq(&problems(Client::builder().provider("local", Ollama::local())));
    let listed = Client::builder().provider("local", Ollama::local()).models("local", ["m".to_owned()]);
    assert_eq!(listed.build().unwrap().models(), ["local/m"]);
}
