use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use expect_test::expect;
use fb_core::{
    Attempt, AttemptEnd, Failure, FailureKind, Next, Phase, Refusal, Report, RequestSummary, Skip, Trace,
};

use super::*;

fn row(target: &str, at: u64, took: u64, end: AttemptEnd, next: Next) -> Attempt {
    let number = u32::from(!matches!(end, AttemptEnd::Skipped { .. }));
    let [at, took] = [at, took].map(Duration::from_millis);
    let mut row = Attempt::new(target.parse().unwrap(), number, end);
    row.at = at;
    row.took = took;
    row.next = next;
    row
}

fn report(by: Option<&str>, rows: Vec<Attempt>) -> Report {
    Report::with(|report| {
        report.id = fb_core::RequestId::new(7);
        report.served_by = by.map(|by| fb_core::ServedBy::Target(by.parse().unwrap()));
        report.took = Duration::from_millis(1_500);
        report.trace = Trace::new(rows);
    })
}

fn entry(report: &Report) -> RecordEntry {
    let request = RequestSummary {
        model: "gpt-4o".to_owned(),
        stream: true,
        tools: true,
        input_tokens: 12,
        max_output: Some(300),
        timeout: Some(Duration::from_secs(20)),
        ..RequestSummary::default()
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_001_500);
    RecordEntry::new(
        "default",
        Some("acme"),
        &request,
        RecordedOutcome::from_report(report, false),
        false,
        report,
        now,
    )
}

fn failed(kind: FailureKind) -> AttemptEnd {
    AttemptEnd::Failed(Failure::new(kind, "the prompt was: hello"))
}

#[test]
fn line_contains_names_and_numbers_and_round_trips() {
    let limited = Failure::new(FailureKind::RateLimited, "slow down, hello")
        .with_status(429)
        .with_retry_after(Some(Duration::from_secs(2)));
    let usage = Some(fb_core::Usage { input: 14, output: 200, ..fb_core::Usage::default() });
    let refusal = Refusal::new("logit_bias", "hello is not taken");
    let ok = AttemptEnd::Ok { usage, cost: Some(fb_core::Money::from_nanos(3_100_000)) };
    let mut answered = row("c/m", 450, 1_050, ok, Next::Nothing);
    answered.first = Some(Duration::from_millis(120));
    let entry = entry(&report(
        Some("c/m"),
        vec![
            row("z/m", 0, 0, AttemptEnd::Skipped { why: Skip::BreakerOpen, reopens: None }, Next::Hop),
            row(
                "y/m",
                0,
                0,
                AttemptEnd::Skipped { why: Skip::Inadmissible(refusal), reopens: None },
                Next::Hop,
            ),
            row("a/m", 0, 100, AttemptEnd::Failed(limited), Next::Hop),
            row("b/m", 100, 350, failed(FailureKind::Timeout(Phase::Connect)), Next::Hop),
            answered,
        ],
    ));
    let line = serde_json::to_string(&entry).unwrap();
    expect![[r#"{"version":1,"began":"2027-01-15T08:00:00.000Z","id":"req_00000000000000000000000000000007","route":"default","asked":"gpt-4o","tenant":"acme","stream":true,"needs":["tools"],"input_tokens":12,"max_output":300,"timeout_ms":20000,"outcome":"ok","by":"c/m","level":"full","cache":null,"took_ms":1500,"cost_nanos":3100000,"attempts":[{"target":"a/m","number":1,"at_ms":0,"took_ms":100,"end":"failed","failure":{"kind":"rate_limited","status":429,"hint_ms":2000}},{"target":"b/m","number":1,"at_ms":100,"took_ms":350,"end":"failed","failure":{"kind":"timeout","phase":"connect"}},{"target":"c/m","number":1,"at_ms":450,"took_ms":1050,"first_ms":120,"end":"ok","usage":{"input":14,"output":200}}],"skips":[{"target":"z/m","at_ms":0,"why":"breaker open"},{"target":"y/m","at_ms":0,"why":"inadmissible: logit_bias"}]}"#]]
    .assert_eq(&line);
    let read: RecordEntry = serde_json::from_str(&line).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), line);
    let fault = read.attempts[1].failure.as_ref().unwrap();
    assert_eq!(fault.failure().kind(), FailureKind::Timeout(Phase::Connect), "the phase is kept");
}

#[test]
fn coalesced_calls_are_recorded_once() {
    let old = fb_core::CacheUse::Stale { age: Duration::from_secs(11), by: "a/m".parse().unwrap() };
    let open = AttemptEnd::Skipped { why: Skip::BreakerOpen, reopens: None };
    let rows = vec![
        row("a/m", 0, 100, failed(FailureKind::ServerError), Next::Hop),
        row("b/m", 100, 0, open, Next::Nothing),
    ];
    let mut report = report(None, rows);
    report.cache = Some(old);
    let line = |coalesced| {
        let (request, now) = (RequestSummary::default(), SystemTime::UNIX_EPOCH);
        let entry = RecordEntry::new("default", None, &request, RecordedOutcome::Ok, coalesced, &report, now);
        (entry.cache, entry.attempts.len(), entry.skips.len())
    };
    assert_eq!(line(false), (Some(CacheResult::Stale), 1, 1));
    assert_eq!(line(true), (Some(CacheResult::Stale), 0, 0));
}

#[test]
fn every_kind_of_failure_round_trips() {
    for kind in FailureKind::ALL.into_iter().chain([FailureKind::Unknown { server: false }]) {
        let failure = Failure::new(kind, "hello");
        let failure = match kind {
            FailureKind::Unknown { server: false } => failure.with_status(418),
            _ => failure,
        };
        let entry = entry(&report(None, vec![row("a/m", 0, 1, AttemptEnd::Failed(failure), Next::Nothing)]));
        let read: RecordEntry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(read.attempts[0].failure.as_ref().unwrap().failure().kind(), kind);
    }
}

#[test]
fn outcome_follows_from_the_answering_target_and_the_attempts() {
    let ok = || AttemptEnd::Ok { usage: None, cost: None };
    let cancelled = || AttemptEnd::Cancelled;
    let blocked = || AttemptEnd::Blocked { category: fb_core::BlockCategory::Output, usage: None };
    let error = || failed(FailureKind::ServerError);
    let hop = Next::Hop;
    let table = [
        (RecordedOutcome::Ok, false, Some("a/m"), vec![("a/m", ok(), Next::Nothing)]),
        (RecordedOutcome::Ok, false, Some("b/m"), vec![("a/m", cancelled(), hop), ("b/m", ok(), hop)]),
        (RecordedOutcome::Ok, false, Some("a/m"), vec![("a/m", ok(), hop), ("b/m", cancelled(), hop)]),
        (RecordedOutcome::Blocked, false, Some("a/m"), vec![("a/m", blocked(), Next::Surface)]),
        (RecordedOutcome::Blocked, true, Some("a/m"), vec![("a/m", blocked(), Next::Surface)]),
        (RecordedOutcome::Cut, false, Some("a/m"), vec![("a/m", error(), Next::Surface)]),
        (
            RecordedOutcome::Cut,
            false,
            Some("a/m"),
            vec![("a/m", error(), Next::Surface), ("b/m", cancelled(), hop)],
        ),
        (RecordedOutcome::Failed, false, None, vec![("a/m", error(), hop), ("b/m", error(), Next::Nothing)]),
        (RecordedOutcome::Failed, false, None, vec![]),
        (RecordedOutcome::Cancelled, true, Some("a/m"), vec![("a/m", cancelled(), Next::Nothing)]),
        (RecordedOutcome::Cancelled, true, None, vec![("a/m", error(), hop)]),
    ];
    for (expected, cancelled_by_caller, by, rows) in table {
        let rows = rows.into_iter().map(|(target, end, next)| row(target, 0, 1, end, next)).collect();
        let report = report(by, rows);
        assert_eq!(RecordedOutcome::from_report(&report, cancelled_by_caller), expected, "{report:?}");
    }
}

/// A temporary folder for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fb-record-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn config(&self, max_bytes: u64, keep: u32) -> RecordConfig {
        RecordConfig { file: self.0.join("requests.jsonl"), max_bytes, keep }
    }

    /// Each file with the token counts of its lines, which the tests number consecutively.
    fn lines(&self) -> Vec<(String, Vec<u64>)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), numbers(&path)))
            .collect();
        files.sort();
        files
    }
}

fn numbers(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str::<RecordEntry>(line).unwrap().input_tokens).collect()
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn record(recorder: &Recorder, numbers: std::ops::Range<u64>) {
    let report = report(None, Vec::new());
    for input_tokens in numbers {
        let request = &RequestSummary { input_tokens, ..RequestSummary::default() };
        let (route, tenant, cancelled, coalesced) = ("default", None, false, false);
        let (error, report) = (None, &report);
        recorder.on_event(&Event::Finished { route, tenant, request, cancelled, coalesced, error, report });
    }
}

#[test]
fn close_writes_the_queue_and_a_second_start_appends() {
    let folder = Folder::new("append");
    for numbers in [0..1_000, 1_000..2_000] {
        let recorder = Recorder::start(&folder.config(1 << 30, 1)).unwrap();
        record(&recorder, numbers);
        recorder.close();
        assert_eq!(recorder.records(), Records { written: 1_000, lost: 0 });
        record(&recorder, 0..1);
        let after = Records { written: 1_000, lost: 1 };
        assert_eq!(recorder.records(), after, "requests after the end count as lost");
    }
    assert_eq!(folder.lines(), [("requests.jsonl".to_owned(), (0..2_000).collect())]);
}

#[test]
fn full_file_is_rotated_and_the_oldest_is_deleted() {
    let folder = Folder::new("rotate");
    let config = folder.config(4_096, 2);
    let mut written = Vec::new();
    // With a flush after each line, and with none.
    for numbers in [0..60, 60..120] {
        let mut files = Files::open(&config, Arc::default()).unwrap();
        for input_tokens in numbers {
            let request = RequestSummary { input_tokens, ..RequestSummary::default() };
            let report = report(None, Vec::new());
            let (outcome, at) = (RecordedOutcome::Failed, SystemTime::UNIX_EPOCH);
            files.put(&RecordEntry::new("default", None, &request, outcome, false, &report, at));
            if input_tokens < 60 {
                files.flush();
            }
            written.push(input_tokens);
        }
        files.flush();
    }
    let lines = folder.lines();
    let names: Vec<_> = lines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["requests.jsonl", "requests.jsonl.1", "requests.jsonl.2"]);
    let kept: Vec<u64> = lines.iter().rev().flat_map(|(_, numbers)| numbers.clone()).collect();
    assert_eq!(kept, written[written.len() - kept.len()..], "the latest, none lost between two files");
    for name in names {
        let size = fs::metadata(folder.0.join(name)).unwrap().len();
        assert!(size <= 4_096, "{name} has {size} bytes");
    }
}

#[test]
fn lines_lost_to_a_full_disk_are_counted() {
    let config = RecordConfig { file: "/dev/full".into(), max_bytes: 1 << 30, keep: 1 };
    let recorder = Recorder::start(&config).unwrap();
    record(&recorder, 0..10);
    recorder.close();
    assert_eq!(recorder.records(), Records { written: 0, lost: 10 });
}

#[test]
fn unopenable_file_is_an_error_at_start() {
    let config = RecordConfig { file: "/no/such/folder/requests.jsonl".into(), max_bytes: 4_096, keep: 1 };
    let error = Recorder::start(&config).map(drop).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn invalid_settings_are_reported_by_field() {
    let wrong = RecordConfig { file: "/".into(), max_bytes: 4_095, keep: 0 };
    let problems: Vec<String> = wrong.problems().iter().map(ToString::to_string).collect();
    let expected = [
        "record.file = \"/\": expected the path of a file",
        "record.max_bytes = 4095: expected 4096 bytes or more",
        "record.keep = 0: expected 1 to 1000 files",
    ];
    assert_eq!(problems, expected);
    let usual = RecordConfig::new("requests.jsonl");
    assert_eq!(RecordConfig { keep: 1_001, ..usual.clone() }.problems().len(), 1);
    assert_eq!(RecordConfig { max_bytes: 4_096, keep: 1_000, ..usual }.problems(), []);
}
