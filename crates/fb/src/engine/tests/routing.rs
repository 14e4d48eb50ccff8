//! Routing: the order of the targets, concurrent calls and inadmissible targets.

use fb_core::{Chat, Message, Rules, Tool};
use fb_router::{
    ClassRoutes, Complexity, HedgeAfter, HedgeConfig, RaceConfig, StickyBy, StickyConfig, Strategy,
};

use super::*;
use crate::{Destination, TargetCapabilities};

/// Builds a client with one route of this strategy and one target for each provider of the script.
fn client_with(script: &Script, strategy: Strategy, configure: impl Fn(Route) -> Route) -> Client {
    client(script, |route| configure(Route { strategy, ..route }))
}

fn edit(mut route: Route, edit: impl Fn(usize, Target) -> Target) -> Route {
    route.targets =
        route.targets.into_iter().enumerate().map(|(index, target)| edit(index, target)).collect();
    route
}

fn request_with(options: Options) -> ChatRequest {
    ChatRequest::user("hi").with_options(options)
}

async fn server(client: &Client, request: ChatRequest) -> String {
    client.chat(request).await.unwrap().served_by()
}

fn calls(script: &Script) -> Vec<u32> {
    script.providers().iter().map(|(_, provider)| provider.calls()).collect()
}

#[tokio::test(start_paused = true)]
async fn weights_are_exact_over_time_and_adjusted_by_success_rates() {
    let script = script("a: 200 / b: 200");
    let weights = [70.0, 30.0];
    let client = client_with(&script, Strategy::Weighted, |route| {
        edit(route, |index, target| target.weight(weights[index]))
    });
    for _ in 0..1_000 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    assert_eq!(calls(&script), [700, 300]);
    // Half of 0.7 and 0.5, half of 0.3 and 0.5.
    let adjusted = client.adjust_weights("default").unwrap();
    let rounded: Vec<_> = adjusted.iter().map(|(id, weight)| format!("{id} {weight:.3}")).collect();
    assert_eq!(rounded, ["a/m 0.600", "b/m 0.400"]);
    assert_eq!(client.adjust_weights("other"), None);
    for _ in 0..1_000 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    assert_eq!(calls(&script), [1_300, 700]);
}

#[tokio::test(start_paused = true)]
async fn failing_weighted_target_is_left_for_the_others() {
    let script = script("a: 503 / b: 200");
    let client = client_with(&script, Strategy::Weighted, |route| route);
    for _ in 0..50 {
        assert_eq!(server(&client, ChatRequest::user("hi")).await, "b/m");
    }
    let stats = client.stats();
    let routing: Vec<_> = stats.targets.values().map(crate::TargetStats::router_stats).collect();
    let [a, b] = routing.as_slice() else { panic!("{routing:?}") };
    let requests = (a.selected, a.fallback_from, b.selected + b.fallback_to, b.successes, b.fallback_from);
    assert_eq!(requests, (b.fallback_to, b.fallback_to, 50, 50, 0));
    assert!(a.selected < 10, "an open target takes no turns: {}", a.selected);
    assert_eq!((a.success_rate(), a.fallback_rate()), (Some(0.0), Some(1.0)));
    assert_eq!((b.success_rate(), b.fallback_rate()), (Some(1.0), Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn cheapest_least_busy_and_fastest_come_first() {
    let price = |input, output| Some(fb_core::Price { input, output });
    let script = script("a: 200 / b: 200");
    let client = client_with(&script, Strategy::Cheapest, |route| {
        edit(route, |index, target| Target { price: [price(3.0, 15.0), price(0.1, 0.4)][index], ..target })
    });
    assert_eq!(server(&client, ChatRequest::user("hi")).await, "b/m");

    let script = super::script("a: 200 in 1s / b: 200 in 1s");
    let client = client_with(&script, Strategy::LeastBusy, |route| route);
    let chats = (0..10).map(|_| client.chat(ChatRequest::user("hi")));
    futures_util::future::join_all(chats).await;
    assert_eq!(calls(&script), [5, 5]);

    let script = super::script("a: 200 in 900ms / b: 200 in 100ms");
    let client = client_with(&script, Strategy::Fastest, |route| route);
    for _ in 0..100 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    assert_eq!(calls(&script), [1, 99], "each is measured once");
}

#[tokio::test(start_paused = true)]
async fn fastest_tries_a_target_again_that_was_slow_once() {
    let script = script("a: 200 in 5s, 200 in 100ms / b: 200 in 300ms");
    let client = client_with(&script, Strategy::Fastest, |route| route);
    let began = tokio::time::Instant::now();
    while script.provider("a").calls() < 2 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    let after = began.elapsed().as_secs();
    assert!((20..60).contains(&after), "tried again after {after} s");
    for _ in 0..40 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    let calls = script.provider("a").calls();
    assert!(calls > 20, "it is the fastest now and got {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn session_sticks_until_its_target_is_unavailable() {
    let script = script("a: 200 / b: 200 / c: 200");
    let by_session = StickyConfig::with(|config| config.by = StickyBy::Session);
    let client = client_with(&script, Strategy::Sticky, |route| route.sticky(by_session.clone()));
    let session = |name: &str| request_with(Options { session: Some(name.to_owned()), ..Options::default() });
    let mut first = Vec::new();
    for name in 0..30 {
        first.push(server(&client, session(&name.to_string())).await);
    }
    assert!(["a/m", "b/m", "c/m"].iter().all(|id| first.iter().any(|by| by == id)), "{first:?}");
    let (gone, breaker) = client.breakers().remove(0);
    breaker.force(fb_breaker::Override::new(fb_breaker::Mode::ForcedOpen, "test"));
    for (name, before) in first.iter().enumerate() {
        let now = server(&client, session(&name.to_string())).await;
        assert_eq!(now == *before, *before != gone.to_string(), "only those of {gone} move");
    }
}

#[tokio::test(start_paused = true)]
async fn preferred_target_comes_first_even_from_another_route() {
    let script = script("a: 200 / b: 200 / c: 503");
    let own = [Target::new("a", "m"), Target::new("b", "m")];
    let mut builder = Client::builder()
        .seed(7)
        .route(Route::priority("default", own))
        .route(Route::priority("other", [Target::new("c", "m").max_retries(0)]));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let prefer = |name: &str| request_with(Options { prefer: Some(name.to_owned()), ..Options::default() });
    for (name, expected) in [("b/m", "b/m"), ("b", "b/m"), ("a", "a/m"), ("c/m", "a/m")] {
        assert_eq!(server(&client, prefer(name)).await, expected);
    }
    assert_eq!(script.provider("c").calls(), 1);
    let error = client.chat(prefer("d/m")).await.unwrap_err();
    assert_eq!(
        (error.status(), error.to_string().as_str()),
        (
            400,
            "invalid request: no target is named \"d/m\"; expected PROVIDER/MODEL, or a provider of the route: a, b"
        )
    );
}

/// A request that may not name targets directly gets none of another route, neither as its model nor as its preference.
#[tokio::test(start_paused = true)]
async fn request_that_refuses_direct_targets_stays_on_its_route() {
    let script = script("a: 200 / b: 200 / c: 200");
    let own = ["a", "b"].map(|name| Target::new(name, "m"));
    let builder = Client::builder()
        .seed(7)
        .route(Route::priority("default", own))
        .route(Route::priority("other", [Target::new("c", "m")]))
        .tenant("acme", fb_budget::Limits::with(|limits| limits.allowed = Some(vec!["b".to_owned()])));
    let providers = script.providers().into_iter();
    let client = providers.fold(builder, |builder, (name, provider)| builder.provider(name, provider));
    let client = client.models("c", ["bare".to_owned()]).build().unwrap();
    let options = |tenant: Option<&str>, prefer: Option<&str>| Options {
        refuse_direct: true,
        tenant: tenant.map(Into::into),
        prefer: prefer.map(str::to_owned),
        ..Options::default()
    };
    let mut lines = String::new();
    for (model, tenant, prefer) in [
        ("default", None, Some("b")),
        ("default", None, Some("b/m")),
        ("default", None, Some("c/m")),
        ("default", Some("acme"), Some("c/m")),
        ("a/m", None, None),
        ("bare", None, None),
        ("bare", Some("acme"), None),
    ] {
        let request = named(model).with_options(options(tenant, prefer));
        let end = match client.chat(request.clone()).await {
            Ok(answer) => answer.served_by(),
            Err(error) => format!("{} {error}", error.status()),
        };
        let is_planned = client.plan(&request).is_ok();
        writeln!(lines, "{model} {prefer:?} {}: {end}, {is_planned}", tenant.unwrap_or("-")).unwrap();
    }
    expect![[r#"
        default Some("b") -: b/m, true
        default Some("b/m") -: b/m, true
        default Some("c/m") -: 400 invalid request: no target is named "c/m"; expected PROVIDER/MODEL, or a provider of the route: a, b, false
        default Some("c/m") acme: 400 invalid request: no target is named "c/m"; expected PROVIDER/MODEL, or a provider of the route: b, false
        a/m None -: 404 no route or target is named "a/m"; routes: default, other, false
        bare None -: 404 no route or target is named "bare"; routes: default, other, false
        bare None acme: 404 no route or target is named "bare"; routes: default, false
    "#]].assert_eq(&lines);
}

#[tokio::test(start_paused = true)]
async fn request_rules_apply_to_calls_and_cached_answers() {
    let script = script("a: 200 / b: 503 / c: 200");
    let cache = crate::RouteCache { any_temperature: true, ..crate::RouteCache::enabled() };
    let client = client(&script, |route| {
        edit(route, |index, target| target.region(["us", "eu", "eu"][index]).max_retries(0)).cache(cache)
    });
    let rules = Rules { regions: Some(vec!["eu".to_owned()]), ..Rules::default() };
    let in_eu = || request_with(Options { rules: rules.clone(), ..Options::default() });
    assert_eq!(server(&client, ChatRequest::user("hi")).await, "a/m");
    expect![[r#"
        ok "hello from c" by c/m
        0.000s  a/m     skipped: inadmissible: region: us is not allowed            hop
        0.000s  b/m  1  server_error (503)                                    0 ms  hop
        0.000s  c/m  1  ok  15 tokens                                         0 ms
    "#]]
    .assert_eq(&outcome(&client.chat(in_eu()).await));
    assert_eq!(server(&client, ChatRequest::user("hi")).await, "cache", "what was kept last");
    assert_eq!(server(&client, in_eu()).await, "cache", "it came from c");
    let nowhere = Rules { allowed: Some(vec!["d".to_owned()]), ..Rules::default() };
    let error =
        client.chat(request_with(Options { rules: nowhere, ..Options::default() })).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (400, "unsupported_parameter"));
    assert_eq!(calls(&script), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn missing_capability_is_refused_before_the_call() {
    let script = script("a: 200 / b: 200");
    let blind = TargetCapabilities { tools: Some(false), context: Some(50), ..TargetCapabilities::default() };
    let client = client(&script, |route| {
        edit(route, |index, target| Target {
            capabilities: if index == 0 { blind } else { TargetCapabilities::default() },
            ..target
        })
    });
    let tool = Tool { name: "weather".to_owned(), description: None, parameters: None, strict: None };
    let chat = |tools, text: &str| {
        let messages = vec![Message::text(fb_core::Role::User, text)];
        ChatRequest::from_chat("default", Chat { messages, tools, ..Chat::default() })
    };
    assert_eq!(server(&client, chat(vec![], "hi")).await, "a/m");
    assert_eq!(server(&client, chat(vec![tool], "hi")).await, "b/m");
    assert_eq!(server(&client, chat(vec![], &"long ".repeat(100))).await, "b/m");
    let plan = client.plan(&chat(vec![], &"long ".repeat(100))).unwrap().to_string();
    expect![[r#"
        1  b/m  priority 1
        -  a/m  refused, context: about 125 tokens with the answer, at most 50
        start: one by one
    "#]]
    .assert_eq(&plan);
    script.provider("b").refuse("logit_bias", "has no such field");
    let plan = client.plan(&chat(vec![], &"long ".repeat(100))).unwrap().to_string();
    expect![[r#"
        -  a/m  refused, context: about 125 tokens with the answer, at most 50
        -  b/m  refused, logit_bias: has no such field
        start: one by one
    "#]]
    .assert_eq(&plan);
    assert_eq!(calls(&script), [1, 2], "a plan makes no call");
}

#[tokio::test(start_paused = true)]
async fn first_answer_wins_a_race_and_the_others_are_cancelled() {
    let race = |text: &str, width: Option<usize>| {
        let script = script(text);
        let client = client_with(&script, Strategy::Race, |route| {
            route.race(RaceConfig::with(|config| config.width = width))
        });
        (script, client)
    };
    let (script, client) = race("a: 200 in 3s / b: 200 in 1s / c: 200 in 2s", None);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  cancelled        1.00 s
        0.000s  b/m  1  ok  15 tokens    1.00 s
        0.000s  c/m  1  cancelled        1.00 s
    "#]]
    .assert_eq(&plain(&client).await);
    assert_eq!((script.provider("a").in_flight(), client.outstanding_permits()), (0, 0));
    assert!(streamed(&client).await.starts_with("\"hello from b [done]\""));
    assert_eq!(client.outstanding_permits(), 0);

    let (script, client) = race("a: 503 in 1s / b: 200 in 4s / c: 200 in 1s", Some(2));
    let client_route = plain(&client).await;
    assert!(client_route.starts_with("ok \"hello from c\""), "c follows a, and beats b: {client_route}");
    assert_eq!(calls(&script), [1, 1, 1]);

    // A block ends the race, however many others might answer.
    let (script, client) = race("a: block in 1s / b: 200 in 2s", None);
    assert!(plain(&client).await.starts_with("400 content_filter"));
    assert_eq!((calls(&script), client.outstanding_permits()), (vec![1, 1], 0));
}

#[tokio::test(start_paused = true)]
async fn slow_target_is_hedged_while_the_budget_lasts() {
    let hedge = |after, budget| {
        HedgeConfig::with(|config| {
            config.after = after;
            config.budget = budget;
        })
    };
    let after = HedgeAfter::Time(Duration::from_millis(300));
    let script = script("a: 200 in 2s / b: 200 in 100ms");
    let client = client_with(&script, Strategy::Hedged, |route| route.hedge(hedge(after, 1.0)));
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  a/m  1  cancelled        400 ms
        0.300s  b/m  1  ok  15 tokens    100 ms
    "#]]
    .assert_eq(&plain(&client).await);
    assert!(streamed(&client).await.starts_with("\"hello from b [done]\""));
    // A target with a half-open breaker is no hedge.
    client.breakers()[1].1.force(fb_breaker::Override::new(fb_breaker::Mode::ForcedOpen, "test"));
    assert!(plain(&client).await.starts_with("ok \"hello from a\""));
    assert_eq!((calls(&script), client.outstanding_permits()), (vec![3, 2], 0));

    // The budget allows one hedge in twenty requests.
    let script = super::script("a: 200 in 2s / b: 200");
    let client = client_with(&script, Strategy::Hedged, |route| route.hedge(hedge(after, 0.05)));
    for _ in 0..100 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    assert_eq!(calls(&script), [100, 5]);
}

#[tokio::test(start_paused = true)]
async fn hedge_delay_follows_the_time_to_first_output() {
    let script = script("a: 200 in 200ms x150, 200 in 5s / b: 200");
    let client = client_with(&script, Strategy::Hedged, |route| route);
    for _ in 0..150 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    assert_eq!(calls(&script), [150, 0]);
    let hedged = plain(&client).await;
    assert!(hedged.contains("0.200s  b/m"), "95 of 100 took 200 ms: {hedged}");
}

#[tokio::test(start_paused = true)]
async fn complex_request_goes_to_the_route_of_its_class() {
    struct Always;
    impl fb_router::Classifier for Always {
        fn classify(&self, _: &fb_router::Signals<'_>) -> Complexity {
            Complexity::Simple
        }
    }
    let script = script("a: 200 / b: 200 / c: 200");
    let classes = ClassRoutes {
        simple: Some("small".to_owned()),
        complex: Some("large".to_owned()),
        ..ClassRoutes::default()
    };
    let builder = || {
        let mut builder = Client::builder()
            .route(Route::priority("default", [Target::new("b", "m")]).classes(classes.clone()))
            .route(Route::priority("small", [Target::new("a", "m")]))
            .route(Route::priority("large", [Target::new("c", "m")]));
        for (name, provider) in script.providers() {
            builder = builder.provider(name, provider);
        }
        builder
    };
    let client = builder().build().unwrap();
    let hard = "Prove step by step that there are infinitely many primes.";
    let between = "Please write a short note to my neighbour about the noise last night, polite but clear, \
                   and sign it with my name, which is Ada.";
    for (text, by) in [("What is the capital of France?", "a/m"), (between, "b/m"), (hard, "c/m")] {
        assert_eq!(server(&client, ChatRequest::user(text)).await, by);
    }
    let goes = |text: &str| client.destination(&ChatRequest::user(text)).unwrap();
    let to = |class, route: &str| Destination {
        requested: "default".to_owned(),
        class: Some(class),
        route: route.to_owned(),
    };
    assert_eq!(goes("hi"), to(Complexity::Simple, "small"));
    assert_eq!(goes(between), to(Complexity::Moderate, "default"));
    let alone = ChatRequest::from_chat("c/m", Chat::default());
    let direct = Destination { requested: "c/m".to_owned(), class: None, route: "c/m".to_owned() };
    assert_eq!(client.destination(&alone).unwrap(), direct);
    let client = builder().classifier(Arc::new(Always)).build().unwrap();
    assert_eq!(server(&client, ChatRequest::user(hard)).await, "a/m");
}

#[test]
fn strategy_without_its_settings_is_rejected() {
    let text = r#"{
        "providers": { "a": { "kind": "ollama" } },
        "routes": {
            "cheap": { "strategy": "cheapest", "targets": [{ "provider": "a", "model": "m" }] },
            "odd": {
                "strategy": "race", "race": { "width": 1 }, "classes": { "simple": "chaep", "complex": "odd" },
                "targets": [{ "provider": "a", "model": "m", "weight": 0 }]
            }
        }
    }"#;
    let config: crate::Config = serde_json::from_str(text).unwrap();
    let problems: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
    expect![[r#"
        routes.cheap.targets[0].price = missing: the strategy is cheapest: expected price = { input = …, output = … }
        routes.odd.race.width = 1: expected 2 or more
        routes.odd.targets[0].weight = 0: expected more than 0, at most 1000000
        routes.odd.classes.simple = "chaep": no such route; did you mean "cheap"?
        routes.odd.classes.complex = "odd": this route has classes itself; expected one that has none"#]]
    .assert_eq(&problems.join("\n"));
}

/// A target with a window that a prompt exceeds by estimate is tried once the others have failed, and does not explain their
/// failures.
#[tokio::test(start_paused = true)]
async fn target_that_an_estimate_excludes_is_tried_after_all_others() {
    for (of_a, of_b, calls, ended) in [
        ("200", "200", [0, 1], "ok \"hello from b\" by b/m"),
        ("200", "500", [1, 1], "ok \"hello from a\" by a/m"),
        ("context", "500", [1, 1], "502 upstream_error (no target could answer: a/m: context_length"),
    ] {
        let script = script(&format!("a: {of_a} / b: {of_b}"));
        let context = Some(1_000);
        script.provider("a").with_capabilities(Capabilities { context, ..Capabilities::default() });
        let targets = ["a", "b"].map(|name| Target::new(name, "m").max_retries(0));
        let builder = Client::builder().seed(7).route(Route::priority("default", targets));
        let providers = script.providers().into_iter();
        let client = providers.fold(builder, |builder, (name, provider)| builder.provider(name, provider));
        let client = client.build().unwrap();
        let end = outcome(&client.chat(ChatRequest::user("word ".repeat(2_000))).await);
        assert!(end.starts_with(ended), "{of_a} {of_b}: {end}");
        assert_eq!(["a", "b"].map(|name| script.provider(name).calls()), calls, "{end}");
    }
}

/// Attempts and time are kept for the target that is tried last.
#[tokio::test(start_paused = true)]
async fn retries_leave_attempts_and_time_for_the_target_that_is_tried_last() {
    let few = |route: Route| Route { max_attempts: 3, ..route };
    let hasty = |route: Route| route.deadline(Duration::from_secs(20));
    for (of_b, limit) in [("503", &few as &dyn Fn(Route) -> Route), ("hang", &hasty)] {
        let script = script(&format!("a: 200 / b: {of_b}"));
        let context = Some(1_000);
        script.provider("a").with_capabilities(Capabilities { context, ..Capabilities::default() });
        let client = client(&script, limit);
        let end = outcome(&client.chat(ChatRequest::user("word ".repeat(2_000))).await);
        assert!(end.starts_with("ok \"hello from a\" by a/m"), "{of_b}: {end}");
    }
}
