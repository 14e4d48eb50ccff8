//! Changes of providers and routes while requests are served.

use fb_core::{Failure, Phase, Probe, ProviderId};
use tokio::time::sleep;

use super::*;
use crate::{Change, ChangeError, HealthStatus, Level, RouteCache, SuccessCounts};

/// Creates a client with these providers of the script and a route of one target for each of `targets`.
fn client_of(script: &Script, providers: &[&str], targets: &[&str]) -> Client {
    let builder = Client::builder().seed(7).route(route(targets));
    providers
        .iter()
        .fold(builder, |builder, name| builder.provider(*name, script.provider(name)))
        .build()
        .unwrap()
}

fn route(targets: &[&str]) -> Route {
    Route::priority("default", targets.iter().map(|name| Target::new(*name, "m")))
}

fn names(client: &Client) -> Vec<String> {
    client.targets().iter().map(|(id, _)| id.to_string()).collect()
}

fn calls(script: &Script) -> Vec<(String, u32, u32)> {
    let count = |(name, provider): (String, Arc<fb_testkit::ScriptedProvider>)| {
        (name, provider.calls(), provider.in_flight())
    };
    script.providers().into_iter().map(count).collect()
}

/// Moves the route from a to b, and removes a.
fn move_to_b(client: &Client, script: &Script) {
    client.add_provider("b", script.provider("b")).unwrap();
    client.update_route(route(&["b"])).unwrap();
    client.remove_provider("a").unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_end_with_the_providers_they_began_with() {
    let script = script("a: 503 in 200ms, 200 in 200ms / b: 200");
    let client = client_of(&script, &["a"], &["a"]);
    let later = async {
        sleep(Duration::from_millis(100)).await;
        move_to_b(&client, &script);
        (plain(&client).await, names(&client))
    };
    let (first, (second, targets)) = tokio::join!(plain(&client), later);
    expect![[r#"
        ok "hello from a" by a/m
        0.000s  a/m  1  server_error (503)    200 ms  retry in 193 ms
        0.394s  a/m  2  ok  15 tokens         200 ms
    "#]]
    .assert_eq(&first);
    expect![[r#"
        ok "hello from b" by b/m
        0.000s  b/m  1  ok  15 tokens      0 ms
    "#]]
    .assert_eq(&second);
    assert_eq!(targets, ["b/m"]);
    assert_eq!(client.providers(), ["b"]);
    assert_eq!(calls(&script), [("a".to_owned(), 2, 0), ("b".to_owned(), 1, 0)]);
    assert_eq!(client.outstanding_permits(), 0);
    assert_eq!(client.stats().targets.keys().map(ToString::to_string).collect::<Vec<_>>(), ["b/m"]);
}

#[tokio::test(start_paused = true)]
async fn streams_in_flight_end_and_resume_with_the_targets_they_began_with() {
    let script = script("a: cut(2) gap 100ms / b: 200 / c: 200");
    let client = client_of(&script, &["a", "c"], &["a", "c"]);
    client.update_route(route(&["a", "c"]).resume()).unwrap();
    let mut stream = client.stream(ChatRequest::user("hi")).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    let change = Change::new().provider("b", script.provider("b")).route(route(&["b"]));
    client.apply(&change.remove_provider("a").remove_provider("c")).unwrap();
    let mut resumed = Vec::new();
    while let Some(frame) = stream.next().await {
        for event in frame.unwrap().events {
            if let StreamEvent::Resumed { by, .. } = event {
                resumed.push(by.to_string());
            }
        }
    }
    drop(first);
    assert_eq!(resumed, ["c/m"]);
    assert_eq!(calls(&script), [("a", 1, 0), ("b", 0, 0), ("c", 1, 0)].map(|(n, c, f)| (n.to_owned(), c, f)));
    assert_eq!((names(&client), client.outstanding_permits()), (vec!["b/m".to_owned()], 0));
}

/// A request after the change must not receive the answer of a call that an earlier one began at a removed provider.
#[tokio::test(start_paused = true)]
async fn requests_are_not_coalesced_across_a_change_of_their_route() {
    let script = script("a: 200 in 300ms / b: 200");
    let cached = |targets: &[&str]| {
        let fresh = Some(Duration::from_secs(60));
        route(targets).cache(RouteCache { fresh, any_temperature: true, ..RouteCache::default() })
    };
    let client = client_of(&script, &["a", "b"], &["a"]);
    client.update_route(cached(&["a"])).unwrap();
    let other = async {
        sleep(Duration::from_millis(100)).await;
        // Another route does not disturb this one.
        client.update_route(Route::priority("other", [Target::new("b", "m")])).unwrap();
        plain(&client).await
    };
    let after = async {
        sleep(Duration::from_millis(200)).await;
        client.update_route(cached(&["b"])).unwrap();
        plain(&client).await
    };
    let (first, other, after) = tokio::join!(plain(&client), other, after);
    assert!(first.starts_with(r#"ok "hello from a""#), "{first}");
    assert!(other.starts_with(r#"ok "hello from a""#), "{other}");
    assert!(after.starts_with(r#"ok "hello from b""#), "{after}");
    assert_eq!(calls(&script), [("a".to_owned(), 1, 0), ("b".to_owned(), 1, 0)]);
}

/// Prints the state of every target.
fn state(client: &Client) -> String {
    let mut table = String::new();
    let stats = client.stats();
    let rows = client.targets().into_iter().zip(client.breakers()).zip(client.health()).zip(client.quality());
    for ((((id, eligibility), (_, breaker)), (_, health)), (_, quality)) in rows {
        let HealthStatus { errors, latency, .. } = health;
        let counted = &stats.targets[&id];
        let reasons = &eligibility.reasons;
        writeln!(
            table,
            "{id}: {reasons:?} breaker {:?} {}, {errors} errors, latency {:?}, quality {quality:.2}, {} calls",
            breaker.state(crate::clock::now()),
            breaker.consecutive_failures(),
            latency.map(|latency| latency.mean),
            counted.calls,
        )
        .unwrap();
    }
    table
}

#[tokio::test(start_paused = true)]
async fn targets_that_stay_keep_their_state() {
    let script = script("a: 200 in 80ms, 500 / b: 429(retry-after 60s) / c: 200");
    let client = client_of(&script, &["a", "b", "c"], &["a", "b", "c"]);
    for _ in 0..6 {
        client.chat(ChatRequest::user("hi")).await.unwrap();
    }
    let before = state(&client);
    expect![[r#"
        a/m: [BreakerOpen] breaker Open { reopens_in: 4.433454507s } 5, 5 errors, latency Some(80ms), quality 1.00, 6 calls
        b/m: [Cooling] breaker Closed 0, 0 errors, latency None, quality 1.00, 1 calls
        c/m: [] breaker Closed 0, 0 errors, latency Some(0ns), quality 1.00, 5 calls
    "#]].assert_eq(&before);

    // The same providers by other adapters, in another order and on another route.
    let more = Route::priority("more", [Target::new("c", "m"), Target::new("a", "m")]);
    let change = ["a", "b", "c"]
        .iter()
        .fold(Change::new(), |change, name| change.provider(*name, script.provider(name)));
    client.apply(&change.route(route(&["b", "a"])).route(more)).unwrap();
    assert_eq!(state(&client), before);

    // Settings of a breaker: it stays open, and its next failure counts by the new ones.
    let strict = BreakerConfig::with(|config| config.consecutive = Some(1));
    let target = |name| Target::new(name, "m").breaker(&strict);
    client.update_route(Route::priority("default", [target("a"), target("b")])).unwrap();
    assert_eq!(state(&client), before);
    client.breakers()[0].1.reset(crate::clock::now());
    client.chat(named("a/m")).await.unwrap_err();
    let (calls, found) = (script.provider("a").calls(), client.breakers()[0].1.state(crate::clock::now()));
    assert!(calls < 6 + 5 && matches!(found, fb_breaker::State::Open { .. }), "{calls} calls, {found:?}");

    // A target that left and returns begins anew.
    client.apply(&Change::new().route(route(&["b"])).remove_route("more")).unwrap();
    client.update_route(route(&["a", "b"])).unwrap();
    let again = state(&client);
    assert!(
        again.starts_with("a/m: [] breaker Closed 0, 0 errors, latency None, quality 1.00, 0 calls"),
        "{again}"
    );
}

#[tokio::test(start_paused = true)]
async fn totals_keep_the_counts_of_a_target_that_was_removed() {
    let script = script("a: 200 / b: 200");
    let client = client_of(&script, &["a"], &["a"]);
    plain(&client).await;
    let before = client.stats();
    move_to_b(&client, &script);
    let after = client.stats();
    assert_eq!((&after.per_attempt, &after.per_request), (&before.per_attempt, &before.per_request));
    assert_eq!(after.per_attempt, SuccessCounts { total: 1, by_primary: 1, by_fallback: 0 });
    let provider = ProviderId::new("a").unwrap();
    assert_eq!(after.providers[&provider], before.providers[&provider]);
    assert!(!after.targets.keys().any(|id| id.provider().as_str() == "a"), "{:?}", after.targets);

    // A target that returns begins anew.
    client.add_provider("a", script.provider("a")).unwrap();
    client.update_route(route(&["a"])).unwrap();
    let returned = client.stats();
    let counts = &returned.targets[&"a/m".parse().unwrap()];
    assert_eq!((counts.calls, counts.primary_requests), (0, 0));
    assert_eq!(returned.per_attempt, before.per_attempt);
}

#[tokio::test(start_paused = true)]
async fn replaced_provider_ends_the_rejection_of_its_key() {
    let script = script("a: 401, 200 / b: 200");
    let client = client_of(&script, &["a", "b"], &["a", "b"]);
    for _ in 0..2 {
        assert!(plain(&client).await.starts_with(r#"ok "hello from b""#));
    }
    assert_eq!(script.provider("a").calls(), 1);
    client.update_route(route(&["a", "b"]).alias("chat")).unwrap();
    assert!(plain(&client).await.starts_with(r#"ok "hello from b""#), "the key is the same");
    client.add_provider("a", script.provider("a")).unwrap();
    assert!(plain(&client).await.starts_with(r#"ok "hello from a""#));
}

#[tokio::test(start_paused = true)]
async fn level_and_weights_of_a_route_survive_a_change() {
    let script = script("a: 500, 200 / b: 200");
    let targets = ["a", "b"].map(|name| Target::new(name, "m").max_retries(0));
    let weighted = || Route::new("default", crate::Strategy::Weighted, targets.clone());
    let client = client_of(&script, &["a", "b"], &["a", "b"]);
    client.update_route(weighted()).unwrap();
    // Returns the calls of the target a for a number of requests.
    let calls_of_a = async |requests: u32| {
        let before = script.provider("a").calls();
        for _ in 0..requests {
            client.chat(ChatRequest::user("hi")).await.unwrap();
        }
        script.provider("a").calls() - before
    };
    assert_eq!(calls_of_a(2).await, 1);
    let adjusted = client.adjust_weights("default").unwrap();
    assert_eq!(adjusted.iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), [0.25, 0.75]);
    client.add_provider("a", script.provider("a")).unwrap();
    assert_eq!(calls_of_a(16).await, 4);
    // Another configuration of the route has weights of its own.
    client.update_route(weighted().alias("chat")).unwrap();
    assert_eq!(calls_of_a(16).await, 8);

    assert!(client.set_level(Some("default"), Some((Level::Offline, None))));
    client.add_provider("a", script.provider("a")).unwrap();
    client.update_route(route(&["a"])).unwrap();
    assert_eq!((client.levels()[0].level, client.levels()[0].forced), (Level::Offline, true));
}

#[tokio::test(start_paused = true)]
async fn prober_checks_providers_that_were_added() {
    let script = script("a: 200 / b: 200");
    let client = client_of(&script, &["a"], &["a"]);
    let prober = client.probe();
    script.provider("a").with_probe(Ok(Probe::Reachable));
    script.provider("b").with_probe(Err(Failure::new(FailureKind::Timeout(Phase::Connect), "silent")));
    move_to_b(&client, &script);
    for _ in 0..3 {
        prober.check_now().await;
    }
    let health = client.health();
    assert_eq!(
        health.iter().map(|(id, seen)| (id.to_string(), seen.condition)).collect::<Vec<_>>(),
        [("b/m".to_owned(), crate::Condition::Unhealthy)]
    );
    prober.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn refused_change_leaves_everything_as_it_is() {
    let script = script("a: 200 / b: 200");
    let client = client_of(&script, &["a", "b"], &["a"]);
    let second = Route::priority("second", [Target::new("b", "m")]);
    client.update_route(second.alias("two")).unwrap();
    let names = || (client.providers(), client.routes(), client.models(), state(&client));
    let before = names();
    let unknown = Route::priority("default", [Target::new("c", "m").timeout_secs(0)]);
    let taken = Route::priority("third", [Target::new("a", "m")]).alias("two");
    let empty = Route::priority("default", []);
    let changes = [
        Change::new().remove_provider("a"),
        Change::new().remove_provider("c"),
        Change::new().remove_route("third"),
        Change::new().provider("c", script.provider("b")).route(unknown.clone()).remove_provider("a"),
        Change::new().route(unknown),
        Change::new().route(taken),
        Change::new().route(empty),
        Change::new().provider("no/name", script.provider("b")),
    ];
    let mut table = String::new();
    for change in changes {
        let error = client.apply(&change).unwrap_err();
        writeln!(table, "{} {}: {error}", error.error_code().http().status, error.field()).unwrap();
    }
    expect![[r#"
        409 providers.a: providers.a is used by routes: default; expected none: update them before, or in the same change
        404 providers.c: no provider is named "c"; providers: a, b
        404 routes.third: no route is named "third"; routes: default, second
        400 routes.default.targets[0].timeout: routes.default.targets[0].timeout = 0ns: expected a time above 0 and up to a day, such as "30s"
        400 routes.default.targets[0].provider: routes.default.targets[0].provider = "c": no such provider; did you mean "a"?; routes.default.targets[0].timeout = 0ns: expected a time above 0 and up to a day, such as "30s"
        400 routes.third.aliases[0]: routes.third.aliases[0] = "two": already the name of an alias; expected a unique name
        400 routes.default.targets: routes.default.targets = 0 targets: expected 1 to 64 targets
        400 providers.no/name: providers.no/name = no/name: "no/name" is not a name: expected 1 to 128 characters without slash, space or control character
    "#]].assert_eq(&table);
    assert_eq!(names(), before);
    let in_use = client.remove_provider("b").unwrap_err();
    let routes = vec!["second".to_owned()];
    assert_eq!(in_use, ChangeError::ProviderInUse { provider: "b".to_owned(), routes });
}
