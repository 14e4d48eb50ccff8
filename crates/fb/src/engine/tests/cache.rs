//! What the cache does to requests.
//!
//! Behaviours held here: an error is not kept; a waiting caller outlives the one it waits for; an entry past its time is
//! no answer; no answer crosses a tenant.

use fb_cache::Purge;
use fb_core::{CacheControl, CacheUse, Level};
use tokio::time::sleep;

use super::*;
use crate::{Answer, RouteCache};

fn cached(script: &Script, cache: RouteCache) -> Client {
    client(script, |route| route.cache(cache))
}

/// Says how a request was answered: by whom, from which cache, at which level.
fn how(answer: &Answer) -> String {
    let cache = answer.report.cache.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{:?} by {} at {}: {cache}", answer.text(), answer.served_by(), answer.level())
}

async fn ask(client: &Client) -> String {
    how(&client.chat(ChatRequest::user("hi")).await.unwrap())
}

fn with(options: Options) -> ChatRequest {
    ChatRequest::user("hi").with_options(options)
}

fn any(fresh: u64) -> RouteCache {
    RouteCache { fresh: Some(Duration::from_secs(fresh)), any_temperature: true, ..RouteCache::default() }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_answer_costs_no_call() {
    let script = script("a: 200, 503x2 / b: 200");
    let client = cached(&script, any(600));
    assert_eq!(ask(&client).await, r#""hello from a" by a/m at full: miss"#);
    sleep(Duration::from_secs(599)).await;
    assert_eq!(ask(&client).await, r#""hello from a" by cache at full: hit; age=599; by="a/m""#);
    let stream = client.stream(ChatRequest::user("hi")).await.unwrap();
    assert_eq!(
        how(&stream.collect().await.unwrap()),
        r#""hello from a" by cache at full: hit; age=599; by="a/m""#
    );
    assert_eq!(script.provider("a").calls(), 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&client).await, r#""hello from b" by b/m at full: miss"#);
    let stats = client.stats();
    assert_eq!((stats.requests, stats.answered, stats.cached), (4, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn who_joins_late_waited_as_long_as_it_did_itself() {
    let client = cached(&script("a: 200 in 1s"), any(600));
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

/// What a route keeps at all is for it to say, and for the request's temperature and seed.
#[tokio::test(start_paused = true)]
async fn only_deterministic_requests_are_answered_from_the_cache_unless_the_route_says_so() {
    let body = |more: &str| {
        let body = format!(r#"{{"model":"default","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        fb_wire::openai::request(body.into()).unwrap()
    };
    let script = script("a: 200");
    let client = cached(&script, RouteCache::enabled());
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
async fn many_who_ask_at_once_make_one_call_and_the_first_may_leave() {
    let script = script("a: 200 in 5s");
    let client = cached(&script, any(600));
    let spawn = |client: &Client| {
        let client = client.clone();
        #[expect(clippy::disallowed_methods, reason = "the test keeps the handles")]
        tokio::spawn(async move { ask(&client).await })
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

    // When all have gone, so has the call.
    client.purge_cache(&Purge::default());
    let last = spawn(&client);
    sleep(Duration::from_secs(1)).await;
    last.abort();
    sleep(Duration::from_millis(1)).await;
    assert_eq!((script.provider("a").calls(), script.provider("a").cancelled()), (2, 1));
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn all_who_share_an_old_answer_hear_how_old_it_is() {
    let script = script("a: 200, 503 in 1s");
    let client = cached(&script, RouteCache { stale_if_error: Some(Duration::from_secs(600)), ..any(10) });
    ask(&client).await;
    sleep(Duration::from_secs(20)).await;
    let (one, other) = tokio::join!(ask(&client), ask(&client));
    assert!(one.contains(r#"by cache at cached: stale; age="#), "{one}");
    assert_eq!(one, other);
}

#[tokio::test(start_paused = true)]
async fn an_error_goes_to_all_who_wait_and_is_not_kept() {
    let script = script("a: 400 in 1s, 200");
    let client = cached(&script, any(600));
    let chat = || client.chat(ChatRequest::user("hi"));
    let (one, other) = tokio::join!(chat(), chat());
    assert_eq!(
        (one.unwrap_err().status(), other.unwrap_err().status(), script.provider("a").calls()),
        (400, 400, 1)
    );
    assert_eq!(ask(&client).await, r#""hello from a" by a/m at full: miss"#);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_kept_when_it_is_complete_and_played_again() {
    let script = script("a: 200 in 1s, 200 in 1s, cut(2), 503 / b: 503");
    let client = cached(&script, RouteCache { stale_if_error: Some(Duration::from_secs(60)), ..any(10) });
    // One that its caller leaves is not kept.
    let mut left = client.stream(ChatRequest::user("hi")).await.unwrap();
    left.next().await.unwrap().unwrap();
    drop(left);
    assert_eq!(client.cache_stats().stored, 0);
    assert!(streamed(&client).await.starts_with(r#""hello from a [done]""#));
    assert_eq!(client.cache_stats().stored, 1);
    let again = client.stream(ChatRequest::user("hi")).await.unwrap().collect().await.unwrap();
    assert_eq!(how(&again), r#""hello from a" by cache at full: hit; age=0; by="a/m""#);
    assert_eq!(ask(&client).await, how(&again), "for a plain request, too");
    // One that breaks off does not take the place of the complete one.
    sleep(Duration::from_secs(10)).await;
    assert!(streamed(&client).await.contains("then 502"));
    assert_eq!(ask(&client).await, r#""hello from a" by cache at cached: stale; age=10; by="a/m""#);
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_is_better_than_none_only_when_nobody_was_available() {
    // What the targets do when they are asked again, and whether the old answer is given.
    for (then, stale) in [
        ("503", true),
        ("hang", true),
        ("refused", true),
        ("429", true),
        ("401", false),
        ("400", false),
        ("404", false),
        ("block", false),
    ] {
        let script = script(&format!("a: 200, {then}"));
        let stale_if_error = Some(Duration::from_secs(3_600));
        let client = cached(&script, RouteCache { stale_if_error, ..RouteCache::default() });
        assert_eq!(ask(&client).await, r#""hello from a" by a/m at full: "#);
        sleep(Duration::from_secs(60)).await;
        let got = client.chat(ChatRequest::user("hi")).await;
        if stale {
            let answer = got.unwrap();
            let age = Duration::from_secs(60);
            assert!(
                matches!(&answer.report.cache, Some(CacheUse::Stale { age: told, .. }) if *told >= age),
                "{then}: {}",
                how(&answer)
            );
            assert_eq!((answer.level(), answer.served_by().as_str()), (Level::Cached, "cache"));
            assert!(answer.report.attempts() >= 1, "the trace says why");
        } else {
            assert!(got.is_err(), "{then}: {}", how(&got.unwrap()));
        }
        sleep(Duration::from_secs(3_600)).await;
        assert!(client.chat(ChatRequest::user("hi")).await.is_err(), "{then}: past its time");
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_crosses_a_tenant_and_a_caller_may_do_without() {
    let script = script("a: 200");
    let client = cached(&script, any(600));
    let calls = async |options: Options| {
        let before = script.provider("a").calls();
        client.chat(with(options)).await.unwrap();
        script.provider("a").calls() - before
    };
    let of = |tenant: &str| Options { tenant: Some(tenant.into()), ..Options::default() };
    let control = |cache| Options { cache, ..Options::default() };
    assert_eq!((calls(of("one")).await, calls(of("one")).await, calls(of("two")).await), (1, 0, 1));
    assert_eq!(calls(Options::default()).await, 1);
    assert_eq!(
        (calls(control(CacheControl::NoCache)).await, calls(control(CacheControl::NoStore)).await),
        (1, 1)
    );
    assert_eq!(client.cache_stats().entries, 3);
    let purge = |tenant: &str| Purge { tenant: Some(tenant.to_owned()), ..Purge::default() };
    assert_eq!((client.purge_cache(&purge("one")), client.purge_cache(&purge("nobody"))), (1, 0));
    assert_eq!((calls(of("one")).await, calls(of("two")).await), (1, 0));
    let route =
        Purge { route: Some("default".to_owned()), provider: Some("a".to_owned()), ..Purge::default() };
    assert_eq!(client.purge_cache(&route), 3);
}
