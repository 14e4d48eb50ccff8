use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use expect_test::expect;
use fb::{Call, Chat, ChatRequest, Event, Failure, FailureKind, Message, Observer, Options, Role, Usage};
use fb_telemetry::record::{CacheResult, RecordedOutcome};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{figures::print, replay::Replay, *};
use crate::dry_run::{ResponseEnd, Script, ScriptedResponse, virtual_time};

const PROVIDERS: &str = r#"
[providers.a]
kind = "openai"
api_key = { env = "FB_TEST_NO_SUCH_KEY" }
[providers.b]
kind = "anthropic"
api_key = { env = "FB_TEST_NO_SUCH_KEY" }
"#;

const TWO: &str = r#"
targets = [
    { provider = "a", model = "m", timeout = "5s", price = { input = 1.0, output = 2.0 } },
    { provider = "b", model = "n", timeout = "4s" },
]
"#;

fn config(routes: &str) -> Config {
    config::parse_without_keys(&format!("{PROVIDERS}{routes}")).unwrap().fb
}

/// A random script in which each target has minutes of frequent failures.
struct Outages {
    start: Instant,
    random: Mutex<fastrand::Rng>,
}

impl Script for Outages {
    fn respond(&self, provider: &str, _call: Call<'_>) -> ScriptedResponse {
        let minute = self.start.elapsed().as_secs() / 60;
        let mut random = self.random.lock();
        let is_outage = (minute + provider.len() as u64 + u64::from(provider == "b") * 3) % 7 < 2;
        let took = Duration::from_millis(random.u64(50..3_000));
        let first = random.bool().then(|| took.mul_f64(0.25).max(Duration::from_millis(1)));
        let first = first.map(|first| Duration::from_millis(u64::try_from(first.as_millis()).unwrap()));
        let success = ScriptedResponse {
            first,
            took,
            end: ResponseEnd::Answer(Some(Usage {
                input: random.u64(10..90),
                output: 7,
                ..Usage::default()
            })),
        };
        let fail = |kind, status, retry_after| {
            let failure = Failure::new(kind, "").with_status(status).with_retry_after(retry_after);
            ScriptedResponse { first: None, took, end: ResponseEnd::Fail(failure) }
        };
        match (random.u32(0..100), is_outage) {
            (0, _) => ScriptedResponse { end: ResponseEnd::Block(None), ..success },
            (1, _) => fail(FailureKind::ContextLength, 400, None),
            (2, _) => fail(FailureKind::InvalidRequest, 400, None),
            (3..6, _) | (6..15, true) => ScriptedResponse { first: None, took, end: ResponseEnd::Hang },
            (15..40, true) => fail(FailureKind::ServerError, 503, None),
            (40..50, true) => fail(FailureKind::RateLimited, 429, Some(Duration::from_secs(9))),
            (50..60, true) => fail(FailureKind::Overloaded, 529, None),
            (60..70, true) => ScriptedResponse {
                end: ResponseEnd::Fail(Failure::new(FailureKind::Interrupted, "")),
                ..success
            },
            _ => success,
        }
    }
}

/// An observer that records finished requests.
struct TestRecorder {
    start: Instant,
    entries: Mutex<Vec<RecordEntry>>,
}

impl Observer for TestRecorder {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Finished { route, tenant, request, cancelled, coalesced, report, .. } = event {
            let now = SystemTime::UNIX_EPOCH + self.start.elapsed();
            self.entries.lock().push(RecordEntry::new(
                route,
                *tenant,
                request,
                RecordedOutcome::from_report(report, *cancelled),
                *coalesced,
                report,
                now,
            ));
        }
    }
}

/// Records overlapping requests over stub providers, some of them streamed, some cancelled.
fn record(config: &Config, seed: u64, requests: u64) -> Vec<RecordEntry> {
    let dry_run = DryRun::new(config).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    virtual_time().unwrap().block_on(async {
        let start = Instant::now();
        let recorder = Arc::new(TestRecorder { start, entries: Mutex::default() });
        let script: Arc<dyn Script> = Arc::new(Outages { start, random: Mutex::new(random.fork()) });
        let observer = Arc::<TestRecorder>::clone(&recorder);
        let client = dry_run.client(&script).observer(observer).build().unwrap();
        let mut tasks = JoinSet::new();
        // The first request begins at once, because the windows of breakers begin at their creation.
        let mut at = start;
        for _ in 0..requests {
            sleep_until(at).await;
            at += Duration::from_millis(random.u64(1..4_000));
            let chat = Chat { messages: vec![Message::text(Role::User, "hi")], ..Chat::default() };
            let deadline = (random.u32(0..10) == 0).then(|| Duration::from_secs(3));
            let request = ChatRequest::from_chat("default", chat)
                .with_options(Options { timeout: deadline, ..Options::default() });
            let (client, stream) = (client.clone(), random.bool());
            let cancel_after =
                if random.u32(0..20) == 0 { Duration::from_millis(777) } else { Duration::from_secs(600) };
            tasks.spawn(async move {
                let call = async {
                    if stream {
                        if let Ok(mut stream) = client.stream(request).await {
                            while stream.next().await.is_some() {}
                        }
                    } else {
                        drop(client.chat(request).await);
                    }
                };
                drop(timeout(cancel_after, call).await);
            });
        }
        while tasks.join_next().await.is_some() {}
        let entries = std::mem::take(&mut *recorder.entries.lock());
        records::sorted(entries).unwrap()
    })
}

fn run_replay(config: &Config, entries: &[RecordEntry]) -> Replay {
    replay(config, &DryRun::new(config).unwrap(), entries, Duration::from_secs(1)).unwrap()
}

#[test]
fn same_config_predicts_the_recorded_results() {
    let routes = [
        format!("[routes.default]\n{TWO}"),
        format!("[routes.default]\nmax_attempts = 3\nlast_resort_wait = \"1s\"\n{TWO}"),
        format!("[routes.default]\nstrategy = \"race\"\n{TWO}"),
        format!("[routes.default]\nstrategy = \"hedged\"\nhedge = {{ after = \"1s\" }}\n{TWO}"),
        format!("[routes.default]\nladder = {{ offline = {{}} }}\n{TWO}"),
    ];
    let mut outcomes = Vec::new();
    for (index, routes) in routes.iter().enumerate() {
        let config = config(routes);
        for seed in 0..8 {
            let entries = record(&config, seed, 300);
            assert_eq!(entries.len(), 300);
            let replay = run_replay(&config, &entries);
            for (entry, request) in entries.iter().zip(&replay.requests) {
                assert_eq!(request.predicted, request.recorded, "route {index}, seed {seed}: {entry:#?}");
                outcomes.push(entry.outcome);
            }
        }
    }
    for outcome in [
        RecordedOutcome::Ok,
        RecordedOutcome::Blocked,
        RecordedOutcome::Cut,
        RecordedOutcome::Failed,
        RecordedOutcome::Cancelled,
    ] {
        assert!(outcomes.contains(&outcome), "no request was {outcome:?}");
    }
}

#[test]
fn second_target_answers_failed_requests_and_the_prediction_is_stable() {
    let one = config("[routes.default]\ntargets = [{ provider = \"a\", model = \"m\", timeout = \"5s\" }]");
    let entries = record(&one, 3, 200);
    let two = config(&format!("[routes.default]\n{TWO}"));
    let printed = || print(&run(&two, &entries, Duration::from_millis(800)).unwrap());
    let first = printed();
    assert_eq!(printed(), first);
    expect![[r#"
        route    figure             recorded  predicted
        default  requests                200        200
        default  success              77.5 %     92.0 %  *
        default  calls per request      1.03       1.14  *
        default  p50                 1.795 s    1.270 s  *
        default  p95                10.980 s    2.916 s  *
        default  cost                      -    $0.0084  *
        default  by (blocked)              3          2  *
        default  by (caller left)         12         12
        default  by (no answer)           29          2  *
        default  by (stream cut)           1          0  *
        default  by a/m                  155        131  *
        default  by b/n                    0         53  *

        * differs; replayed in virtual time, no provider was called
        assumed: b/n was never called: it answers in 800ms"#]]
    .assert_eq(&first);
}

#[test]
fn cached_answers_stay_if_the_route_has_a_cache_and_classes_keep_their_routes() {
    let one = config("[routes.default]\ntargets = [{ provider = \"a\", model = \"m\", timeout = \"5s\" }]");
    let recorded = record(&one, 3, 60);
    let find = |outcome| recorded.iter().find(|entry| entry.outcome == outcome).unwrap().clone();
    let answered = |cache, by: &str| {
        let mut value = find(RecordedOutcome::Ok);
        value.cache = Some(cache);
        value.by = Some(by.to_owned());
        value.outcome = RecordedOutcome::Ok;
        value.attempts = Vec::new();
        value.took_ms = 3;
        value
    };
    let (hit, coalesced) = (answered(CacheResult::Hit, "cache"), answered(CacheResult::Coalesced, "a/m"));
    let failed = find(RecordedOutcome::Failed);
    let mut stale = answered(CacheResult::Stale, "cache");
    stale.attempts = failed.attempts;
    let mut aliased = find(RecordedOutcome::Ok);
    aliased.model = "gpt-4o".to_owned();
    let mut classed = find(RecordedOutcome::Ok);
    classed.route = "small".to_owned();
    let entries = [hit, coalesced, stale, aliased, classed];
    let predict = |routes: &str| -> Vec<(String, usize)> {
        let config = config(routes);
        let by = |entry: &RecordEntry| {
            let replay = run_replay(&config, std::slice::from_ref(entry));
            (replay.requests[0].predicted.answered_by.clone(), replay.cached)
        };
        entries.iter().map(by).collect()
    };
    let expected = |results: [(&str, usize); 5]| results.map(|(by, cached)| (by.to_owned(), cached)).to_vec();
    let target =
        "last_resort_wait = \"0s\"\ntargets = [{ provider = \"a\", model = \"m\", timeout = \"5s\" }]";
    let without = predict(&format!("[routes.default]\n{target}"));
    let none = ("(no answer)", 0);
    assert_eq!(without, expected([("a/m", 0), ("a/m", 0), none, none, ("a/m", 0)]));
    let with = predict(&format!(
        "[routes.default]\naliases = [\"gpt-4o\"]\nclasses = {{ simple = \"small\" }}\n\
         cache = {{ fresh = \"1h\", stale_if_error = true }}\n{target}\n\
         [routes.small]\ntargets = [{{ provider = \"b\", model = \"n\" }}]"
    ));
    assert_eq!(with, expected([("cache", 1), ("a/m", 1), ("cache", 1), ("a/m", 0), ("b/n", 0)]));
}
