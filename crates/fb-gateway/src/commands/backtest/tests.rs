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

use super::{figures::print, replay::Replayed, *};
use crate::dry_run::{Act, End, Script, virtual_time};

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

/// What targets do by time and chance: each has hours in which most of its calls fail.
struct Weather {
    began: Instant,
    random: Mutex<fastrand::Rng>,
}

impl Script for Weather {
    fn act(&self, provider: &str, _call: Call<'_>) -> Act {
        let minute = self.began.elapsed().as_secs() / 60;
        let mut random = self.random.lock();
        let stormy = (minute + provider.len() as u64 + u64::from(provider == "b") * 3) % 7 < 2;
        let took = Duration::from_millis(random.u64(50..3_000));
        let first = random.bool().then(|| took.mul_f64(0.25).max(Duration::from_millis(1)));
        let first = first.map(|first| Duration::from_millis(u64::try_from(first.as_millis()).unwrap()));
        let fine = Act {
            first,
            took,
            end: End::Answer(Some(Usage { input: random.u64(10..90), output: 7, ..Usage::default() })),
        };
        let fail = |kind, status, hint| {
            let failure = Failure::new(kind, "").with_status(status).with_retry_after(hint);
            Act { first: None, took, end: End::Fail(failure) }
        };
        match (random.u32(0..100), stormy) {
            (0, _) => Act { end: End::Block(None), ..fine },
            (1, _) => fail(FailureKind::ContextLength, 400, None),
            (2, _) => fail(FailureKind::InvalidRequest, 400, None),
            (3..6, _) | (6..15, true) => Act { first: None, took, end: End::Silent },
            (15..40, true) => fail(FailureKind::ServerError, 503, None),
            (40..50, true) => fail(FailureKind::RateLimited, 429, Some(Duration::from_secs(9))),
            (50..60, true) => fail(FailureKind::Overloaded, 529, None),
            (60..70, true) => Act { end: End::Fail(Failure::new(FailureKind::Interrupted, "")), ..fine },
            _ => fine,
        }
    }
}

/// Keeps the records of what it hears.
struct Tape {
    began: Instant,
    entries: Mutex<Vec<RecordEntry>>,
}

impl Observer for Tape {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::Finished { route, tenant, request, cancelled, coalesced, report } = event {
            let now = SystemTime::UNIX_EPOCH + self.began.elapsed();
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

/// Requests over stand-ins, overlapping, some streamed, some left by their callers; as they were recorded.
fn recorded(config: &Config, seed: u64, requests: u64) -> Vec<RecordEntry> {
    let stage = Stage::new(config).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    virtual_time().unwrap().block_on(async {
        let began = Instant::now();
        let tape = Arc::new(Tape { began, entries: Mutex::default() });
        let weather: Arc<dyn Script> = Arc::new(Weather { began, random: Mutex::new(random.fork()) });
        let client = stage.client(&weather).observer(Arc::<Tape>::clone(&tape)).build().unwrap();
        let mut tasks = JoinSet::new();
        // The first one at once: breakers count time in pieces from when they are made.
        let mut at = began;
        for _ in 0..requests {
            sleep_until(at).await;
            at += Duration::from_millis(random.u64(1..4_000));
            let chat = Chat { messages: vec![Message::text(Role::User, "hi")], ..Chat::default() };
            let hurry = (random.u32(0..10) == 0).then(|| Duration::from_secs(3));
            let request = ChatRequest::from_chat("default", chat)
                .with_options(Options { timeout: hurry, ..Options::default() });
            let (client, stream) = (client.clone(), random.bool());
            let patience =
                if random.u32(0..20) == 0 { Duration::from_millis(777) } else { Duration::from_secs(600) };
            tasks.spawn(async move {
                let ask = async {
                    if stream {
                        if let Ok(mut stream) = client.stream(request).await {
                            while stream.next().await.is_some() {}
                        }
                    } else {
                        drop(client.chat(request).await);
                    }
                };
                drop(timeout(patience, ask).await);
            });
        }
        while tasks.join_next().await.is_some() {}
        let entries = std::mem::take(&mut *tape.entries.lock());
        read::in_order(entries).unwrap()
    })
}

fn replayed(config: &Config, entries: &[RecordEntry]) -> Replayed {
    replay(config, &Stage::new(config).unwrap(), entries, Duration::from_secs(1)).unwrap()
}

#[test]
fn the_same_config_does_to_every_request_what_it_did() {
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
            let entries = recorded(&config, seed, 300);
            assert_eq!(entries.len(), 300);
            let replayed = replayed(&config, &entries);
            for (entry, both) in entries.iter().zip(&replayed.requests) {
                assert_eq!(both.predicted, both.recorded, "route {index}, seed {seed}: {entry:#?}");
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
fn another_target_saves_what_failed_and_the_same_question_has_the_same_answer() {
    let one = config("[routes.default]\ntargets = [{ provider = \"a\", model = \"m\", timeout = \"5s\" }]");
    let entries = recorded(&one, 3, 200);
    let two = config(&format!("[routes.default]\n{TWO}"));
    let printed = || print(&run(&two, &entries, Duration::from_millis(800)).unwrap());
    let first = printed();
    assert_eq!(printed(), first);
    expect![[r#"
        route    figure             recorded  predicted
        default  requests                200        200
        default  success              74.5 %     90.5 %  *
        default  calls per request      1.02       1.14  *
        default  p50                 1.805 s    1.222 s  *
        default  p95                10.324 s    3.517 s  *
        default  cost                      -    $0.0078  *
        default  by (blocked)              3          3
        default  by (caller left)         12         12
        default  by (no answer)           36          4  *
        default  by a/m                  149        123  *
        default  by b/n                    0         58  *

        * differs; played in virtual time, no provider was called
        assumed: b/n was never called: it answers in 800ms"#]]
    .assert_eq(&first);
}

#[test]
fn a_cache_s_answers_stay_where_there_is_one_and_a_class_keeps_its_route() {
    let one = config("[routes.default]\ntargets = [{ provider = \"a\", model = \"m\", timeout = \"5s\" }]");
    let recorded = recorded(&one, 3, 60);
    let find = |outcome| recorded.iter().find(|entry| entry.outcome == outcome).unwrap().clone();
    let answered = |cache, by: &str| RecordEntry {
        cache: Some(cache),
        by: Some(by.to_owned()),
        outcome: RecordedOutcome::Ok,
        attempts: Vec::new(),
        took_ms: 3,
        ..find(RecordedOutcome::Ok)
    };
    let (hit, shared) = (answered(CacheResult::Hit, "cache"), answered(CacheResult::Coalesced, "a/m"));
    let failed = find(RecordedOutcome::Failed);
    let stale = RecordEntry { attempts: failed.attempts, ..answered(CacheResult::Stale, "cache") };
    let aliased = RecordEntry { model: "gpt-4o".to_owned(), ..find(RecordedOutcome::Ok) };
    let classed = RecordEntry { route: "small".to_owned(), ..find(RecordedOutcome::Ok) };
    let entries = [hit, shared, stale, aliased, classed];
    let play = |routes: &str| -> Vec<(String, usize)> {
        let config = config(routes);
        let by = |entry: &RecordEntry| {
            let replayed = replayed(&config, std::slice::from_ref(entry));
            (replayed.requests[0].predicted.by.clone(), replayed.cached)
        };
        entries.iter().map(by).collect()
    };
    let expected = |played: [(&str, usize); 5]| played.map(|(by, cached)| (by.to_owned(), cached)).to_vec();
    let target =
        "last_resort_wait = \"0s\"\ntargets = [{ provider = \"a\", model = \"m\", timeout = \"5s\" }]";
    let without = play(&format!("[routes.default]\n{target}"));
    let none = ("(no answer)", 0);
    assert_eq!(without, expected([("a/m", 0), ("a/m", 0), none, none, ("a/m", 0)]));
    let with = play(&format!(
        "[routes.default]\naliases = [\"gpt-4o\"]\nclasses = {{ simple = \"small\" }}\n\
         cache = {{ fresh = \"1h\", stale_if_error = true }}\n{target}\n\
         [routes.small]\ntargets = [{{ provider = \"b\", model = \"n\" }}]"
    ));
    assert_eq!(with, expected([("cache", 1), ("a/m", 1), ("cache", 1), ("a/m", 0), ("b/n", 0)]));
}
