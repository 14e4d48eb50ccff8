//! Requests and the cache.
//!
//! Behaviors covered here: errors are not cached; a coalesced caller outlives its leader; expired entries are not given;
//! no answer crosses tenants.

use fb_cache::Purge;
use fb_core::{CacheControl, CacheUse, Level};
use tokio::time::sleep;

use super::*;
use crate::{Answer, RouteCache};

fn cached_client(script: &Script, cache: RouteCache) -> Client {
    client(script, |route| route.cache(cache))
}

/// Describes an answer: its text, target, level and cache use.
fn describe(answer: &Answer) -> String {
    let cache = answer.report.cache.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{:?} by {} at {}: {cache}", answer.text(), answer.served_by(), answer.level())
}

async fn send(client: &Client) -> String {
    describe(&client.chat(ChatRequest::user("hi")).await.unwrap())
}

fn request_with(options: Options) -> ChatRequest {
    ChatRequest::user("hi").with_options(options)
}

fn keep_fresh(fresh: u64) -> RouteCache {
    RouteCache { fresh: Some(Duration::from_secs(fresh)), any_temperature: true, ..RouteCache::default() }
}

#[tokio::test(start_paused = true)]
async fn fresh_answer_makes_no_call() {
    let script = script("a: 200, 503x2 / b: 200");
    let client = cached_client(&script, keep_fresh(600));
    assert_eq!(send(&client).await, r#""hello from a" by a/m at full: miss"#);
    sleep(Duration::from_secs(599)).await;
    assert_eq!(send(&client).await, r#""hello from a" by cache at full: hit; age=599; by="a/m""#);
    let stream = client.stream(ChatRequest::user("hi")).await.unwrap();
    assert_eq!(
        describe(&stream.collect().await.unwrap()),
        r#""hello from a" by cache at full: hit; age=599; by="a/m""#
    );
    assert_eq!(script.provider("a").calls(), 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(send(&client).await, r#""hello from b" by b/m at full: miss"#);
    let stats = client.stats();
    assert_eq!((stats.requests, stats.answered, stats.cached), (4, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn coalesced_request_reports_its_own_duration() {
    let client = cached_client(&script("a: 200 in 1s"), keep_fresh(600));
    let late = async {
        sleep(Duration::from_millis(700)).await;
        (crate::clock::now(), client.chat(ChatRequest::user("hi")).await.unwrap())
    };
    let (first, (began, second)) = tokio::join!(client.chat(ChatRequest::user("hi")), late);
    assert_eq!(second.report.cache, Some(CacheUse::Coalesced));
    let took = [first.unwrap().report.took, second.report.took];
    assert_eq!(took, [Duration::from_secs(1), Duration::from_millis(300)]);
    assert_eq!(client.trace(second.report.id).map(|record| record.began), Some(began));
}

/// The route, and the request's temperature and seed, decide if an answer is cached.
#[tokio::test(start_paused = true)]
async fn only_deterministic_requests_are_cached_by_default() {
    let body = |more: &str| {
        let body = format!(r#"{{"model":"default","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        fb_wire::openai::request(body.into()).unwrap()
    };
    let script = script("a: 200");
    let client = cached_client(&script, RouteCache::enabled());
    let mut calls = Vec::new();
    for more in [
        "",
        r#","temperature":0.7"#,
        r#","temperature":0"#,
        r#","temperature":0.0,"user":"someone","stream":true"#,
        r#","seed":7"#,
        r#","seed":7.0"#,
        r#","seed":8"#,
        r#","seed":null"#,
        r#","seed":7,"seed":7"#,
    ] {
        let before = script.provider("a").calls();
        for _ in 0..2 {
            client.chat(body(more)).await.unwrap();
        }
        calls.push(script.provider("a").calls() - before);
    }
    assert_eq!(calls, [2, 2, 1, 0, 1, 0, 1, 2, 2]);
    let without = super::client(&script, |route| route);
    let report = without.chat(body(r#","seed":7"#)).await.unwrap().report;
    assert_eq!((report.cache, without.cache_stats()), (None, fb_cache::Stats::default()));
}

#[tokio::test(start_paused = true)]
async fn identical_requests_share_one_call_that_outlives_its_first_caller() {
    let script = script("a: 200 in 5s");
    let client = cached_client(&script, keep_fresh(600));
    let spawn = |client: &Client| {
        let client = client.clone();
        #[expect(clippy::disallowed_methods, reason = "the test keeps the handles")]
        tokio::spawn(async move { send(&client).await })
    };
    let leader = spawn(&client);
    sleep(Duration::from_secs(1)).await;
    let followers: Vec<_> = (0..9).map(|_| spawn(&client)).collect();
    sleep(Duration::from_secs(1)).await;
    leader.abort();
    for follower in followers {
        assert_eq!(follower.await.unwrap(), r#""hello from a" by a/m at full: coalesced"#);
    }
    assert_eq!((script.provider("a").calls(), script.provider("a").cancelled()), (1, 0));

    // The call is cancelled when the last caller leaves.
    client.purge_cache(&Purge::default());
    let last = spawn(&client);
    sleep(Duration::from_secs(1)).await;
    last.abort();
    sleep(Duration::from_millis(1)).await;
    assert_eq!((script.provider("a").calls(), script.provider("a").cancelled()), (2, 1));
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn coalesced_stale_answer_reports_its_age() {
    let script = script("a: 200, 503 in 1s");
    let client = cached_client(
        &script,
        RouteCache { stale_if_error: Some(Duration::from_secs(600)), ..keep_fresh(10) },
    );
    send(&client).await;
    sleep(Duration::from_secs(20)).await;
    let (one, other) = tokio::join!(send(&client), send(&client));
    assert!(one.contains(r#"by cache at cached: stale; age="#), "{one}");
    assert_eq!(one, other);
}

#[tokio::test(start_paused = true)]
async fn error_reaches_every_coalesced_caller_and_is_not_cached() {
    let script = script("a: 400 in 1s, 200");
    let client = cached_client(&script, keep_fresh(600));
    let chat = || client.chat(ChatRequest::user("hi"));
    let (one, other) = tokio::join!(chat(), chat());
    assert_eq!(
        (one.unwrap_err().status(), other.unwrap_err().status(), script.provider("a").calls()),
        (400, 400, 1)
    );
    assert_eq!(send(&client).await, r#""hello from a" by a/m at full: miss"#);
}

#[tokio::test(start_paused = true)]
async fn complete_stream_is_cached_and_replayed() {
    let script = script("a: 200 in 1s, 200 in 1s, cut(2), 503 / b: 503");
    let client = cached_client(
        &script,
        RouteCache { stale_if_error: Some(Duration::from_secs(60)), ..keep_fresh(10) },
    );
    // An abandoned stream is not cached.
    let mut left = client.stream(ChatRequest::user("hi")).await.unwrap();
    left.next().await.unwrap().unwrap();
    drop(left);
    assert_eq!(client.cache_stats().stored, 0);
    assert!(streamed(&client).await.starts_with(r#""hello from a [done]""#));
    assert_eq!(client.cache_stats().stored, 1);
    let again = client.stream(ChatRequest::user("hi")).await.unwrap().collect().await.unwrap();
    assert_eq!(describe(&again), r#""hello from a" by cache at full: hit; age=0; by="a/m""#);
    assert_eq!(send(&client).await, describe(&again), "for a plain request, too");
    // An interrupted stream does not replace the complete one.
    sleep(Duration::from_secs(10)).await;
    assert!(streamed(&client).await.contains("then 502"));
    assert_eq!(send(&client).await, r#""hello from a" by cache at cached: stale; age=10; by="a/m""#);
}

#[tokio::test(start_paused = true)]
async fn stale_answer_is_given_only_if_targets_are_unavailable() {
    // The behavior of the target on the second request, and if the stale answer is given.
    for (second, stale) in [
        ("503", true),
        ("hang", true),
        ("refused", true),
        ("429", true),
        ("401", false),
        ("400", false),
        ("404", false),
        ("block", false),
    ] {
        let script = script(&format!("a: 200, {second}"));
        let stale_if_error = Some(Duration::from_secs(3_600));
        let client = cached_client(&script, RouteCache { stale_if_error, ..RouteCache::default() });
        assert_eq!(send(&client).await, r#""hello from a" by a/m at full: "#);
        sleep(Duration::from_secs(60)).await;
        let result = client.chat(ChatRequest::user("hi")).await;
        if stale {
            let answer = result.unwrap();
            let age = Duration::from_secs(60);
            assert!(
                matches!(&answer.report.cache, Some(CacheUse::Stale { age: reported, .. }) if *reported >= age),
                "{second}: {}",
                describe(&answer)
            );
            assert_eq!((answer.level(), answer.served_by().as_str()), (Level::Cached, "cache"));
            assert!(answer.report.attempts() >= 1, "the trace says why");
        } else {
            assert!(result.is_err(), "{second}: {}", describe(&result.unwrap()));
        }
        sleep(Duration::from_secs(3_600)).await;
        assert!(client.chat(ChatRequest::user("hi")).await.is_err(), "{second}: past its time");
    }
}

#[tokio::test(start_paused = true)]
async fn cache_is_separate_per_tenant_and_can_be_bypassed() {
    let script = script("a: 200");
    let client = cached_client(&script, keep_fresh(600));
    let calls = async |options: Options| {
        let before = script.provider("a").calls();
        client.chat(request_with(options)).await.unwrap();
        script.provider("a").calls() - before
    };
    let tenant_options = |tenant: &str| Options { tenant: Some(tenant.into()), ..Options::default() };
    let control = |cache| Options { cache, ..Options::default() };
    assert_eq!(
        (
            calls(tenant_options("one")).await,
            calls(tenant_options("one")).await,
            calls(tenant_options("two")).await
        ),
        (1, 0, 1)
    );
    assert_eq!(calls(Options::default()).await, 1);
    assert_eq!(
        (calls(control(CacheControl::NoCache)).await, calls(control(CacheControl::NoStore)).await),
        (1, 1)
    );
    assert_eq!(client.cache_stats().entries, 3);
    let purge = |tenant: &str| Purge { tenant: Some(tenant.to_owned()), ..Purge::default() };
    assert_eq!((client.purge_cache(&purge("one")), client.purge_cache(&purge("nobody"))), (1, 0));
    assert_eq!((calls(tenant_options("one")).await, calls(tenant_options("two")).await), (1, 0));
    let route =
        Purge { route: Some("default".to_owned()), provider: Some("a".to_owned()), ..Purge::default() };
    assert_eq!(client.purge_cache(&route), 3);
}
