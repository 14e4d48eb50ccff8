//! Tenant budgets and target rules.

use std::path::Path;

use fb_budget::{LedgerConfig, Limits, OnStall, Standing};
use fb_core::Price;
use tokio::time::timeout;

use super::*;

/// 1,000 dollars per million tokens: a tenth of a cent per token.
const PRICE: Price = Price { input: 1_000.0, output: 1_000.0 };

fn priced_client(script: &Script, tenants: &[(&str, Limits)], configure: impl Fn(Route) -> Route) -> Client {
    let targets = script
        .providers()
        .into_iter()
        .map(|(name, _)| Target { price: Some(PRICE), ..Target::new(name, "m").max_retries(0) });
    let mut builder = Client::builder().seed(7).route(configure(Route::priority("default", targets)));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    for (name, limits) in tenants {
        builder = builder.tenant(*name, limits.clone());
    }
    builder.build().unwrap()
}

fn request_of(tenant: &str) -> ChatRequest {
    let chat = fb_core::Chat { max_tokens: Some(5), ..ChatRequest::user("hi").chat().unwrap().clone() };
    let options = Options { tenant: Some(tenant.into()), ..Options::default() };
    ChatRequest::from_chat("default", chat).with_options(options)
}

/// Returns the spend and the reservation of a tenant, in tokens of a tenth of a cent.
fn spent(client: &Client, tenant: &str) -> (u64, u64) {
    let all = client.tenants();
    let (_, used, _) = all.iter().find(|(name, ..)| name == tenant).unwrap();
    (used.day_nanos / 1_000_000, used.reserved_nanos / 1_000_000)
}

#[tokio::test(start_paused = true)]
async fn tenant_at_its_limit_gets_402_while_another_is_served() {
    let script = script("a: 200");
    let dollars = |usd| Limits::with(|limits| limits.usd_per_day = Some(usd));
    // Each answer takes 10 tokens in and 5 out: 1.5 cents.
    let client = priced_client(&script, &[("acme", dollars(0.05)), ("beta", dollars(9.0))], |route| route);
    for _ in 0..3 {
        client.chat(request_of("acme")).await.unwrap();
    }
    assert_eq!(spent(&client, "acme"), (45, 0));
    let error = client.chat(request_of("acme")).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (402, "budget_exceeded"));
    assert!(error.retry_after().is_some(), "it says when the day is over");
    assert_eq!((script.provider("a").calls(), client.outstanding_permits()), (3, 0));
    client.chat(request_of("beta")).await.unwrap();
    client.chat(request_of("unknown")).await.unwrap();
    let standing =
        client.tenants().into_iter().find(|(name, ..)| name == "acme").map(|(.., standing)| standing);
    assert!(matches!(standing, Some(Standing::Soft { .. })), "{standing:?}");
    let slow = Limits::with(|limits| limits.requests_per_minute = Some(1));
    let client = priced_client(&script, &[("acme", slow)], |route| route);
    client.chat(request_of("acme")).await.unwrap();
    assert_eq!(client.chat(request_of("acme")).await.unwrap_err().status(), 429);
}

#[tokio::test(start_paused = true)]
async fn key_at_its_limit_gets_402_while_other_keys_are_served() {
    let script = script("a: 200");
    let key = |usd| fb_budget::KeyLimits::with(|limits| limits.usd_per_day = Some(usd));
    let keys = [("ci".to_owned(), key(0.02)), ("web".to_owned(), key(9.0))].into();
    let limits = Limits::with(|limits| {
        limits.usd_per_day = Some(0.04);
        limits.keys = keys;
    });
    // Each answer takes 10 tokens in and 5 out: 1.5 cents.
    let client = priced_client(&script, &[("acme", limits)], |route| route);
    let with = |key: &str| {
        let options = Options { key: Some(key.into()), ..request_of("acme").options().clone() };
        request_of("acme").with_options(options)
    };
    client.chat(with("ci")).await.unwrap();
    let error = client.chat(with("ci")).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (402, "budget_exceeded"));
    client.chat(with("web")).await.unwrap();
    assert_eq!(client.chat(request_of("acme")).await.map_err(|error| error.status()).err(), None);
    assert_eq!(client.chat(with("web")).await.unwrap_err().status(), 402, "all of them are the tenant's");
    let spent = ["acme", "acme/ci", "acme/web"].map(|name| spent(&client, name));
    assert_eq!(spent, [(45, 0), (15, 0), (15, 0)]);
}

#[tokio::test(start_paused = true)]
async fn requests_with_different_keys_are_not_coalesced() {
    let script = script("a: 200 in 1s");
    let key = |usd| fb_budget::KeyLimits::with(|limits| limits.usd_per_day = Some(usd));
    let keys = [("ci".to_owned(), key(0.001)), ("web".to_owned(), key(9.0))].into();
    let cache = crate::RouteCache { any_temperature: true, ..crate::RouteCache::enabled() };
    let client = priced_client(&script, &[("acme", Limits::with(|limits| limits.keys = keys))], |route| {
        route.cache(cache.clone())
    });
    let with = |key: &str| {
        let options = Options { key: Some(key.into()), ..request_of("acme").options().clone() };
        client.chat(request_of("acme").with_options(options))
    };
    let (ci, web, too) = tokio::join!(with("ci"), with("web"), with("web"));
    assert_eq!(ci.unwrap_err().status(), 402);
    assert!(web.is_ok() && too.is_ok());
    assert_eq!(script.provider("a").calls(), 1, "requests with one key are coalesced");
    assert_eq!(with("ci").await.unwrap().served_by(), "cache", "cached answers cost nothing");
}

#[tokio::test(start_paused = true)]
async fn target_too_expensive_for_the_tenant_charges_nothing_to_its_key() {
    let script = script("a: 200 / b: 200");
    let ci = fb_budget::KeyLimits::with(|limits| limits.requests_per_minute = Some(1));
    let limits = Limits::with(|limits| {
        limits.usd_per_day = Some(0.004);
        limits.keys = [("ci".to_owned(), ci)].into();
    });
    let mut builder = Client::builder()
        .route(Route::priority(
            "default",
            [Target { price: Some(PRICE), ..Target::new("a", "m") }, Target::new("b", "m")],
        ))
        .tenant("acme", limits);
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder.build().unwrap();
    let send = || {
        let options = Options { key: Some("ci".into()), ..request_of("acme").options().clone() };
        client.chat(request_of("acme").with_options(options))
    };
    let answer = send().await.unwrap();
    let skipped = "a/m skipped: the tenant's usd_per_day is reached; b/m 1 ok";
    assert!(answer.trace().one_line().starts_with(skipped), "{}", answer.trace().one_line());
    let error = send().await.unwrap_err();
    assert_eq!(error.status(), 402, "the budget, not only the rate limit, refuses the request");
    let line = error.report().unwrap().trace.one_line();
    assert!(line.contains("b/m skipped: the key's requests_per_minute is reached"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn sent_calls_are_charged_and_refused_calls_are_not() {
    let limits = || Limits::with(|limits| limits.usd_per_day = Some(1e6));
    // Failures cost nothing; the answer after a hop costs its own tokens.
    let script = script("a: 503 / b: 200");
    let client = priced_client(&script, &[("acme", limits())], |route| route);
    client.chat(request_of("acme")).await.unwrap();
    assert_eq!(spent(&client, "acme"), (15, 0));
    // A request that found no connection in time was never sent, and one that found no answer was.
    for (failure, paid) in [("unreachable", 15), ("timeout", 15 + 1)] {
        let script = super::script(&format!("a: {failure} / b: 200"));
        let client = priced_client(&script, &[("acme", limits())], |route| route);
        client.chat(request_of("acme")).await.unwrap();
        assert_eq!(spent(&client, "acme"), (paid, 0), "{failure}");
    }
    // The loser of a race has read the prompt: one estimated token.
    let script = super::script("a: 200 in 3s / b: 200 in 1s");
    let client = priced_client(&script, &[("acme", limits())], |route| Route {
        strategy: fb_router::Strategy::Race,
        ..route
    });
    client.chat(request_of("acme")).await.unwrap();
    assert_eq!(spent(&client, "acme"), (15 + 1, 0));
    // So has a call that its caller cancels.
    let script = super::script("a: 200 in 10s");
    let client = priced_client(&script, &[("acme", limits())], |route| route);
    timeout(Duration::from_secs(1), client.chat(request_of("acme"))).await.unwrap_err();
    assert_eq!((spent(&client, "acme"), client.outstanding_permits()), ((1, 0), 0));
    // A cut stream has produced "hello from ", eleven bytes, and read one token.
    let script = super::script("a: cut(2)");
    let client = priced_client(&script, &[("acme", limits())], |route| route);
    client.stream(request_of("acme")).await.unwrap().collect().await.unwrap_err();
    assert_eq!(spent(&client, "acme"), (1 + 3, 0));
    let script = super::script("a: 200");
    let client = priced_client(&script, &[("acme", limits())], |route| route);
    client.stream(request_of("acme")).await.unwrap().collect().await.unwrap();
    assert_eq!(spent(&client, "acme"), (15, 0));
}

#[tokio::test(start_paused = true)]
async fn resumed_stream_is_charged_for_every_call() {
    let limits = || Limits::with(|limits| limits.usd_per_day = Some(1e6));
    // The cut stream has read one token and produced three; each other call reports 10 in and 5 out.
    let script = script(r#"a: cut(2) / b: 200("Certainly! Here is something else.") / c: 200"#);
    let client = priced_client(&script, &[("acme", limits())], Route::resume);
    let answer = client.stream(request_of("acme")).await.unwrap().collect().await.unwrap();
    assert_eq!((answer.text(), answer.served_by()), ("hello from c", "c/m".to_owned()));
    let calls = ["a", "b", "c"].map(|name| script.provider(name).calls());
    assert_eq!((calls, spent(&client, "acme")), ([1; 3], (1 + 3 + 15 + 15, 0)));
}

#[tokio::test(start_paused = true)]
async fn abandoned_stream_is_charged_for_reported_or_estimated_tokens() {
    let limits = || Limits::with(|limits| limits.usd_per_day = Some(1e6));
    // Opened and never read: the prompt's token, and "yes".
    for (read, paid) in [(0, 1 + 1), (1, 1 + 1), (2, 1 + 1), (3, 15), (4, 15)] {
        let script = script(r#"a: 200("yes") gap 1s"#);
        let client = priced_client(&script, &[("acme", limits())], |route| route);
        let stream = client.stream(request_of("acme")).await.unwrap();
        let frames = stream.take(read).collect::<Vec<_>>().await;
        assert_eq!((frames.len(), spent(&client, "acme")), (read, (paid, 0)));
    }
    // The stream broke off after its usage was reported.
    let script = script("a: nodone");
    let client = priced_client(&script, &[("acme", limits())], |route| route);
    client.stream(request_of("acme")).await.unwrap().collect().await.unwrap_err();
    assert_eq!(spent(&client, "acme"), (15, 0));
}

#[tokio::test(start_paused = true)]
async fn tenant_near_its_limit_is_downshifted_unless_premium() {
    let script = script("a: 200 / b: 200");
    let limits = |tier| {
        Limits::with(|limits| {
            limits.usd_per_day = Some(0.08);
            limits.warn_at = 0.5;
            limits.tier = tier;
        })
    };
    let target = |name: &str| Target { price: Some(PRICE), ..Target::new(name, "m") };
    let mut route = Route::priority("default", [target("a")]);
    route.downshift = Some("cheap".to_owned());
    let mut builder = Client::builder().route(route).route(Route::priority("cheap", [target("b")]));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let client = builder
        .tenant("acme", limits(fb_budget::Tier::Standard))
        .tenant("gold", limits(fb_budget::Tier::Premium))
        .build()
        .unwrap();
    for (tenant, by) in [("acme", ["a/m", "a/m", "a/m", "b/m"]), ("gold", ["a/m", "a/m", "a/m", "a/m"])] {
        for by in by {
            assert_eq!(client.chat(request_of(tenant)).await.unwrap().served_by(), by, "{tenant}");
        }
    }
    // A preference for a target of the route that was named is none for the cheaper one.
    let prefer = Some("a/m".to_owned());
    let options = Options { tenant: Some("acme".into()), prefer, refuse_direct: true, ..Options::default() };
    let answer = client.chat(request_of("acme").with_options(options)).await.unwrap();
    assert_eq!(answer.served_by(), "b/m");
}

#[tokio::test(start_paused = true)]
async fn forbidden_target_is_never_called() {
    let script = script("a: 200 / b: 503 / c: 200");
    let cache = crate::RouteCache { any_temperature: true, ..crate::RouteCache::enabled() };
    let limits = Limits::with(|limits| limits.allowed = Some(vec!["b".to_owned()]));
    let client = priced_client(&script, &[("acme", limits)], |route| route.cache(cache.clone()));
    client.chat(request_of("other")).await.unwrap();
    for _ in 0..10 {
        assert!(client.chat(request_of("acme")).await.is_err());
    }
    assert_eq!((script.provider("a").calls(), script.provider("c").calls()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn request_counts_once_against_the_rate_limit() {
    let script = script("a: 503 / b: 200");
    let limits = Limits::with(|limits| limits.requests_per_minute = Some(10));
    let client = priced_client(&script, &[("acme", limits)], |route| route);
    client.breakers()[0].1.force(fb_breaker::Override::new(fb_breaker::Mode::ForcedOpen, "test"));
    for _ in 0..10 {
        assert_eq!(client.chat(request_of("acme")).await.unwrap().served_by(), "b/m");
    }
    assert_eq!(client.chat(request_of("acme")).await.unwrap_err().status(), 429);
}

#[tokio::test(start_paused = true)]
async fn gate_for_an_unknown_route_is_rejected() {
    let script = script("a: 200");
    let mut builder = Client::builder().route(Route::priority("default", [Target::new("a", "m")]));
    for (name, provider) in script.providers() {
        builder = builder.provider(name, provider);
    }
    let gate = |_: &fb_core::Chat, _: &fb_core::Reply| Ok(());
    let error = builder.gate("defualt", gate).build().unwrap_err();
    assert!(error.to_string().contains("defualt"), "{error}");
}

/// Creates a client with a ledger that writes nothing ahead, so that every reservation waits for a commit.
fn client_with_ledger(script: &Script, folder: &Path, on_stall: OnStall) -> Client {
    let mut ledger = LedgerConfig::new(folder.join("spend.redb"));
    ledger.ahead_usd = 0.0;
    ledger.on_stall = on_stall;
    let target = Target { price: Some(PRICE), ..Target::new("a", "m").max_retries(0) };
    let builder = Client::builder().route(Route::priority("default", [target])).ledger(ledger);
    builder.provider("a", script.provider("a")).tenant("acme", Limits::default()).build().unwrap()
}

/// Sends two requests at once; returns the time they took, in whole seconds, and their results.
async fn two(client: &Client) -> (u64, [String; 2]) {
    let began = tokio::time::Instant::now();
    let send = async || match client.chat(request_of("acme")).await {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{} {}", error.status(), error.report().unwrap().trace.one_line()),
    };
    let (one, other) = tokio::join!(Box::pin(send()), Box::pin(send()));
    (began.elapsed().as_secs(), [one, other])
}

#[tokio::test(start_paused = true)]
async fn hung_ledger_delays_calls_once_and_then_serves_or_refuses() {
    let refused = "503 a/m skipped: the ledger does not commit";
    for (on_stall, result, calls) in [(OnStall::Serve, "ok", 4), (OnStall::Refuse, refused, 0)] {
        let (script, folder) = (script("a: 200"), tempfile::tempdir().unwrap());
        let client = client_with_ledger(&script, folder.path(), on_stall);
        let directory = client.engine.directory();
        let book = directory.book().unwrap();
        let held = book.hold_commits();
        assert_eq!(two(&client).await, (2, [result, result].map(str::to_owned)), "{on_stall:?}");
        assert_eq!(two(&client).await, (0, [result, result].map(str::to_owned)), "{on_stall:?}");
        assert_eq!((script.provider("a").calls(), client.outstanding_permits()), (calls, 0), "{on_stall:?}");
        assert_eq!(spent(&client, "acme"), (15 * u64::from(calls), 0), "{on_stall:?}");
        let failure = client.ledger_failure().unwrap();
        assert!(failure.ends_with("a commit is taking too long"), "{failure}");
        drop(held);
        while client.ledger_failure().is_some() {
            std::thread::yield_now();
        }
        // The next commits take real time.
        tokio::time::resume();
        assert_eq!(two(&client).await.1, ["ok", "ok"], "{on_stall:?}");
        tokio::time::pause();
    }
}

/// Clients of one process share the ledger; the one that is closed has everything on disk, and the other goes on.
#[tokio::test]
async fn clients_of_one_process_share_the_ledger_until_each_is_closed() {
    let (script, folder) = (script("a: 200"), tempfile::tempdir().unwrap());
    let [one, other] = [(); 2].map(|()| client_with_ledger(&script, folder.path(), OnStall::Serve));
    one.chat(request_of("acme")).await.unwrap();
    assert_eq!((spent(&one, "acme"), spent(&other, "acme")), ((15, 0), (15, 0)));
    let clone = one.clone();
    one.close().await.unwrap();
    assert_eq!(other.ledger_failure(), None);
    other.chat(request_of("acme")).await.unwrap();
    other.close().await.unwrap();
    // Served, but kept in memory only.
    clone.chat(request_of("acme")).await.unwrap();
    clone.close().await.unwrap();
    assert_eq!(spent(&clone, "acme"), (45, 0));

    let next = client_with_ledger(&script, folder.path(), OnStall::Refuse);
    assert_eq!(spent(&next, "acme"), (30, 0));
    let ledger = LedgerConfig::new(folder.path().join("spend.redb"));
    let builder = Client::builder().provider("a", script.provider("a")).ledger(ledger);
    let error = builder.route(Route::priority("default", [Target::new("a", "m")])).build().unwrap_err();
    let error = error.to_string();
    assert!(error.ends_with("open in this process with other settings; expected the same ones"), "{error}");
}
