use std::{
    fs,
    time::{Duration, SystemTime},
};

use expect_test::expect;
use fb::{AnswerContent, CalledTool, Evaluations, Route, Target, providers::ProviderConfig};

use super::*;
use crate::{
    EvalConfig,
    evaluations::{
        CaseOutcome, Verdict, evaluations,
        target::{EvalTarget, eval_targets},
        truncated,
    },
};

fn outcome(target: &str, case: &str, verdict: Verdict, reason: Option<&str>, text: &str) -> CaseOutcome {
    CaseOutcome {
        route: "default".to_owned(),
        target: target.to_owned(),
        case: case.to_owned(),
        key: format!("key of {case}"),
        verdict,
        reason: reason.map(str::to_owned),
        answer: Some(AnswerContent { text: text.to_owned(), ..AnswerContent::default() }),
        calls: 1,
        took_ms: 1_200,
        cost_nanos: Some(2_500_000),
    }
}

fn route() -> Route {
    Route::priority("default", [Target::new("a", "m"), Target::new("b", "m")])
}

fn providers() -> BTreeMap<String, ProviderConfig> {
    ["a", "b"].map(|name| (name.to_owned(), ProviderConfig::new("ollama"))).into()
}

fn targets() -> Vec<EvalTarget> {
    eval_targets(&route(), &providers())
}

fn summary() -> Summary {
    let call = |tool: &str| AnswerContent {
        calls: vec![CalledTool { tool: tool.to_owned(), arguments: "{}".to_owned() }],
        ..AnswerContent::default()
    };
    let (a, b) = ("a/m", "b/m");
    let outcomes = BTreeMap::from([
        ((0, 0), outcome(a, "capital", Verdict::Pass, None, "Paris")),
        (
            (0, 1),
            CaseOutcome { answer: Some(call("weather")), ..outcome(a, "tool", Verdict::Pass, None, "") },
        ),
        ((0, 2), CaseOutcome { took_ms: 300, ..outcome(a, "sum", Verdict::Pass, None, "4") }),
        ((1, 0), outcome(b, "capital", Verdict::Fail, Some("contains: no `Paris` in `Rome`"), "Rome")),
        ((1, 1), CaseOutcome { answer: Some(call("time")), ..outcome(b, "tool", Verdict::Pass, None, "") }),
        (
            (1, 2),
            CaseOutcome {
                answer: None,
                cost_nanos: None,
                ..outcome(b, "sum", Verdict::Error, Some("it is down"), "")
            },
        ),
    ]);
    Summary::new("default", &targets(), 3, outcomes)
}

/// Three cases passed by the only target.
fn all_pass() -> BTreeMap<(usize, usize), CaseOutcome> {
    (0..3).map(|case| ((0, case), outcome("a/m", "any", Verdict::Pass, None, "hi"))).collect()
}

#[test]
fn table_has_shares_failures_and_differences() {
    let summary = summary();
    expect![[r#"
        route default, 3 cases

        target  passed    share  errors      p50      p95     cost  differs
        a/m        3/3  100.0 %       0  1.200 s  1.200 s  $0.0075        -
        b/m        1/3   33.3 %       1  1.200 s  1.200 s  $0.0050        2

        b/m  capital  failed     contains: no `Paris` in `Rome`
        b/m  capital  differs    fails, where the primary passes
        b/m  tool     differs    calls `time`, the primary `weather`
        b/m  sum      no answer  it is down

        below 90.0 %: b/m
    "#]]
    .assert_eq(&(summary.print(0.9) + "\n"));
    assert_eq!((summary.passes(0.9), summary.passes(0.33)), (false, true));
    assert!(summary.print(0.3).ends_with("\nevery target passes 30.0 % or more"));
}

#[test]
fn case_without_a_call_has_no_latency() {
    let no_call =
        CaseOutcome { calls: 0, took_ms: 0, ..outcome("a/m", "x", Verdict::Fail, Some("no tools"), "") };
    let outcomes = BTreeMap::from([
        ((0, 0), no_call.clone()),
        ((0, 1), no_call),
        ((0, 2), outcome("a/m", "y", Verdict::Pass, None, "hi")),
    ]);
    let summary = Summary::new("default", &targets()[..1], 3, outcomes);
    assert_eq!(summary.targets[0].latencies(), [Some(1_200), Some(1_200)]);
}

#[test]
fn answers_are_escaped_in_the_report() {
    let folder = Folder::new("page");
    let file = folder.file("cases.jsonl", r#"{"id":"<b>","text":"<script>alert(1)</script>"}"#);
    let cases = cases::read(&file).unwrap();
    let failed = outcome("a/m", "<b>", Verdict::Fail, Some("\"&\""), "</pre><script>");
    let summary = Summary::new("default", &targets()[..1], 1, BTreeMap::from([((0, 0), failed)]));
    assert!(summary.print(1.0).starts_with("route default, 1 case\n"));
    let page = report::page(&summary, &cases, 1.0);
    assert!(!page.contains("<script>") && !page.contains("</pre><script"), "{page}");
    for part in [
        "<b>&lt;b&gt;</b>",
        "&lt;script&gt;alert(1)",
        "<p>1 case, at",
        "&quot;&amp;&quot;",
        "&lt;/pre&gt;&lt;script&gt;",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
}

/// A temporary directory, removed when it is dropped.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fb-eval-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn incomplete_last_line_is_removed() {
    let folder = Folder::new("results");
    let file = folder.0.join("results.jsonl");
    let good = outcome("a/m", "capital", Verdict::Pass, None, "Paris");
    let down = outcome("a/m", "sum", Verdict::Error, Some("it is down"), "");
    let mut results = ResultsFile::open(Some(&file)).unwrap();
    results.append_outcome(&good).unwrap();
    results.append_outcome(&down).unwrap();
    fs::write(&file, fs::read_to_string(&file).unwrap() + r#"{"outcome":{"rou"#).unwrap();
    let mut results = ResultsFile::open(Some(&file)).unwrap();
    assert_eq!(results.known("default", "a/m", "key of capital"), Some(&good));
    assert_eq!(results.known("default", "a/m", "key of sum"), None, "the case is repeated");
    assert_eq!(results.known("default", "b/m", "key of capital"), None);
    results.append_outcome(&outcome("a/m", "sum", Verdict::Pass, None, "4")).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(ResultsFile::open(Some(&file)).unwrap().known("default", "a/m", "key of sum").is_some());
    // An editor removed the last newline.
    fs::write(&file, text.trim_end()).unwrap();
    let mut results = ResultsFile::open(Some(&file)).unwrap();
    assert!(results.known("default", "a/m", "key of sum").is_some());
    results.append_outcome(&down).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 4);
    fs::write(&file, "{\"outcome\":{}}\n").unwrap();
    let error = ResultsFile::open(Some(&file)).map(drop).unwrap_err();
    assert!(error.ends_with("results.jsonl:1  missing field `route` at line 1 column 13"), "{error}");
}

#[test]
fn other_files_are_rejected_and_not_changed() {
    let folder = Folder::new("foreign");
    let refused = |text: &str| {
        let file = folder.file("notes.json", text);
        let error = ResultsFile::open(Some(&file)).map(drop).unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        error.rsplit_once("notes.json").unwrap().1.to_owned()
    };
    let end = ": the last line is not a result of `fb eval`";
    assert_eq!(refused(r#"{"notes":["one","two"]}"#), end);
    assert_eq!(refused("{\"outcomes\":1}"), end);
    assert_eq!(refused("x"), end);
    assert_eq!(refused("7\n{\"outcome\":{"), ":1  expected value at line 1 column 1");
    for prefix in ["", "{", "{\"outcome\":", "{\"evaluation\":{\"route\":\"default"] {
        let file = folder.file("results.jsonl", prefix);
        assert!(ResultsFile::open(Some(&file)).is_ok(), "{prefix}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "", "{prefix}");
    }
}

#[test]
fn last_evaluation_of_a_target_counts() {
    let folder = Folder::new("last");
    let file = folder.0.join("results.jsonl");
    let config = EvalConfig { results: file.clone(), min_pass: 0.9 };
    let missing_of = |config: &EvalConfig, route: Route| {
        let routes = BTreeMap::from([("default".to_owned(), route)]);
        let passed: Result<Evaluations, String> =
            evaluations(&config.results, config.min_pass, &routes, &providers());
        let missing = passed.unwrap().missing(&routes["default"]);
        missing.into_iter().map(|(path, _)| path).collect::<Vec<_>>().join(" ")
    };
    let missing = |config: &EvalConfig| missing_of(config, route());
    assert_eq!(missing(&config), "targets[0] targets[1]", "without a file no target has passed");
    let mut results = ResultsFile::open(Some(&file)).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for evaluation in summary().evaluations(at) {
        results.append_evaluation(&evaluation).unwrap();
    }
    let expected = format!(
        r#"{{"evaluation":{{"route":"default","target":"a/m","of":"{}","cases":3,"passed":3,"at":"2027-01-15T08:00:00Z"}}}}"#,
        targets()[0].digest
    );
    assert_eq!(fs::read_to_string(&file).unwrap().lines().next(), Some(expected.as_str()));
    assert_eq!(missing(&config), "targets[1]");
    let quick = Target::new("a", "m").timeout_secs(1);
    assert_eq!(
        missing_of(&config, Route::priority("default", [quick.clone()])),
        "targets[0]",
        "another setting"
    );
    let twice = Route::priority("default", [Target::new("a", "m"), quick]);
    assert_eq!(
        missing_of(&config, twice.clone()),
        "targets[0] targets[1]",
        "passed with one of two settings"
    );
    let dearer = Target::new("a", "m").weight(2.0);
    assert_eq!(missing_of(&config, Route::priority("default", [dearer])), "");
    for evaluation in
        Summary::new("default", &eval_targets(&twice, &providers())[1..], 3, all_pass()).evaluations(at)
    {
        results.append_evaluation(&evaluation).unwrap();
    }
    assert_eq!(missing_of(&config, twice), "");
    assert_eq!(missing(&EvalConfig { min_pass: 0.3, ..config.clone() }), "");
    let again = fs::read_to_string(&file).unwrap().replace("\"passed\":3", "\"passed\":2");
    fs::write(&file, fs::read_to_string(&file).unwrap() + &again).unwrap();
    assert_eq!(missing(&config), "targets[0] targets[1]");
}

#[test]
fn long_answers_are_truncated_to_a_readable_line() {
    let folder = Folder::new("long");
    let file = folder.0.join("results.jsonl");
    let call =
        |tool: &str, bytes: usize| CalledTool { tool: tool.to_owned(), arguments: "\u{1}".repeat(bytes) };
    let max = 64 << 10;
    // JSON escapes this character with six bytes.
    let answer = AnswerContent {
        text: "\u{1}".repeat(2 << 20),
        calls: vec![call("a", max), call("b", 9)],
        refused: false,
    };
    let many_calls = AnswerContent { calls: vec![call("", 0); 100_000], ..answer.clone() };
    let mut results = ResultsFile::open(Some(&file)).unwrap();
    for (key, answer) in [("one", answer), ("many", many_calls)] {
        let outcome = CaseOutcome {
            key: key.to_owned(),
            answer: Some(truncated(answer)),
            ..outcome("a/m", "x", Verdict::Pass, None, "")
        };
        results.append_outcome(&outcome).unwrap();
    }
    let read = ResultsFile::open(Some(&file)).unwrap();
    let calls = |key| read.known("default", "a/m", key).unwrap().answer.clone().unwrap().calls;
    let cut = "\u{1}".repeat(max - 1) + "… (65536 bytes in all)";
    let mark = |count| CalledTool { tool: format!("… ({count} calls in all)"), arguments: String::new() };
    assert_eq!(calls("one"), [CalledTool { tool: "a".to_owned(), arguments: cut }, mark(2)]);
    assert_eq!((calls("many").len(), calls("many").last()), (2_049, Some(&mark(100_000))));
}

#[test]
fn longest_result_can_be_read_back() {
    let folder = Folder::new("line");
    let file = folder.0.join("results.jsonl");
    let mut results = ResultsFile::open(Some(&file)).unwrap();
    let long = |bytes: usize| outcome("a/m", "x", Verdict::Pass, Some(&"y".repeat(bytes)), "");
    results.append_outcome(&long(0)).unwrap();
    let overhead = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
    let max = (1 << 20) - overhead;
    assert!(
        results
            .append_outcome(&long(max + 1))
            .unwrap_err()
            .ends_with(": a result of more than 1048576 bytes")
    );
    results.append_outcome(&long(max)).unwrap();
    assert_eq!(ResultsFile::open(Some(&file)).unwrap().known("default", "a/m", "key of x"), Some(&long(max)));
}

#[test]
fn summary_and_config_check_agree_on_the_share() {
    let folder = Folder::new("rounding");
    let all = targets().into_iter().take(1).collect::<Vec<_>>();
    let routes =
        BTreeMap::from([("default".to_owned(), Route::priority("default", [Target::new("a", "m")]))]);
    for (passed, min_pass) in [(55, 0.55), (54, 0.55), (29, 0.29), (7, 0.07), (0, 0.0), (100, 1.0), (99, 1.0)]
    {
        let outcomes = (0..100).map(|case| {
            let verdict = if case < passed { Verdict::Pass } else { Verdict::Fail };
            ((0, case), outcome("a/m", "any", verdict, None, "hi"))
        });
        let summary = Summary::new("default", &all, 100, outcomes.collect());
        let config = EvalConfig { results: folder.file("results.jsonl", ""), min_pass };
        let mut results = ResultsFile::open(Some(&config.results)).unwrap();
        for evaluation in summary.evaluations(SystemTime::UNIX_EPOCH) {
            results.append_evaluation(&evaluation).unwrap();
        }
        let missing = evaluations(&config.results, config.min_pass, &routes, &providers())
            .unwrap()
            .missing(&routes["default"])
            .len();
        let expected = ![54, 99].contains(&passed);
        assert_eq!((summary.passes(min_pass), missing == 0), (expected, expected), "{passed} of {min_pass}");
    }
}

#[test]
fn require_eval_rejects_targets_without_an_evaluation() {
    let folder = Folder::new("required");
    let text = |eval: &str| {
        format!(
            "{eval}\n[providers.a]\nkind = \"ollama\"\n[routes.default]\nrequire_eval = true\n\
             [[routes.default.targets]]\nprovider = \"a\"\nmodel = \"m\"\n"
        )
    };
    let errors = |text: &str| match crate::parse(text) {
        Ok(_) => String::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    let refused = "6:1  routes.default.targets[0] = a/m   no passing evaluation, but require_eval is true; run `fb eval`";
    assert_eq!(
        errors(&text("")),
        format!(
            "5:16  routes.default.require_eval = true   expected a table [eval] with `results`, the results file of \
             `fb eval`\n{refused}"
        )
    );
    let file = folder.0.join("results.jsonl");
    let eval = format!("[eval]\nresults = {:?}", file.display().to_string());
    let with = text(&eval);
    assert_eq!(errors(&with), refused.replacen("6:1", "7:1", 1));
    assert!(crate::config::parse_without_keys(&with).is_ok(), "a dry run needs no evaluation");
    let evaluated = |digest: &str| {
        format!(
            r#"{{"evaluation":{{"route":"default","target":"a/m","of":"{digest}","cases":10,"passed":9,"at":"2027-01-15T08:00:00Z"}}}}"#
        ) + "\n"
    };
    fs::write(&file, evaluated("0123456789abcdef")).unwrap();
    assert_eq!(errors(&with), refused.replacen("6:1", "7:1", 1), "evaluated with other settings");
    fs::write(&file, evaluated(&targets()[0].digest)).unwrap();
    assert_eq!(errors(&with), "");
    fs::write(&file, "7\n").unwrap();
    assert!(errors(&with).contains("results.jsonl:1  "), "{}", errors(&with));
    let loaded = crate::parse(&with.replace("require_eval = true", "")).unwrap();
    let warning = format!(
        "eval.results = {:?}: {}:1  expected value at line 1 column 1",
        file.display().to_string(),
        file.display()
    );
    assert_eq!(loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
    assert_eq!(crate::parse(&text("").replace("require_eval = true", "")).unwrap().warnings, [], "no [eval]");
    let both = errors(&text("[eval]\nresults = \"/\"\nmin_pass = 2.0\n"));
    for part in [
        "2:11  eval.results = \"/\"   expected the path of a file",
        "3:12  eval.min_pass = 2   expected 0 to 1",
    ] {
        assert!(both.contains(part), "no {part} in {both}");
    }
}
