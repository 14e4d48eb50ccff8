//! Golden cases at every target of a route, and the effect of the results on `fb check` and `fb serve`.

use std::{fs, path::Path, process::Stdio};

use fb_sim::{Fault, SimReply};
use tokio::process::Command;

use crate::harness::{Sims, TempDir, prepared};

/// The example set in the documentation. A simulator passes three of its five cases: the greeting, the schema and the
/// tool call, but neither the capital of France nor the sum.
pub(crate) const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/golden.jsonl");

/// Returns a config with two targets, the first of which is the primary.
fn config(sims: &Sims, dir: &TempDir, require: bool) -> String {
    format!(
        "[eval]\nmin_pass = 0.6\nresults = {:?}\n{}\n[routes.default]\nrequire_eval = {require}\nquality = {{ empty = true, tools = true, \
         schema = true, repair = true }}\ntargets = [\n{{ provider = \"primary\", model = \"m\", max_retries = 0, \
         price = {{ input = 1.0, output = 2.0 }} }},\n{{ provider = \"backup\", model = \"m\", max_retries = 0 }},\n]\n",
        dir.0.join("results.jsonl").display().to_string(),
        sims.providers()
    )
}

pub(crate) async fn run(fb: &Path, dir: &TempDir, args: &[&str], key: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(fb);
    command.args(args).current_dir(&dir.0).env_clear().env("FB_TEST_KEY", key).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn eval(fb: &Path, dir: &TempDir, more: &[&str]) -> (Option<i32>, String) {
    let args = [&["eval", "--config", "fb.toml", CASES], more].concat();
    let (code, stdout, stderr) = run(fb, dir, &args, "sk-test").await;
    assert_eq!(stderr, "", "{stdout}");
    (code, stdout)
}

/// Returns the row of a target: passed cases, their share, errors, and the number of cases that differ.
pub(crate) fn row(stdout: &str, target: &str) -> [String; 4] {
    let line = stdout
        .lines()
        .find(|line| line.starts_with(&format!("{target} ")))
        .unwrap_or_else(|| panic!("{stdout}"));
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    [1, 2, 3, 7].map(|column| cells[column].to_owned())
}

/// Returns the notes on single cases of a target: target, case, kind, reason.
pub(crate) fn notes<'a>(stdout: &'a str, target: &str) -> Vec<Vec<&'a str>> {
    let lines = stdout.lines().filter(|line| line.starts_with(&format!("{target} "))).skip(1);
    lines.map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn equivalent_targets_pass_and_their_results_are_reused() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    dir.write("fb.toml", &config(&sims, &dir, false));

    let check = ["check", "fb.toml"];
    let (code, stdout, _) = run(&fb, &dir, &check, "sk-test").await;
    let warning = "fb.toml: warning: routes.default: no passing evaluation (fb eval) of primary/m, backup/m";
    assert_eq!((code, stdout.lines().last()), (Some(0), Some(warning)), "{stdout}");

    let (code, stdout) = eval(&fb, &dir, &["--report", "report.html"]).await;
    assert_eq!(row(&stdout, "primary/m"), ["3/5", "60.0 %", "0", "-"], "{stdout}");
    assert_eq!(row(&stdout, "backup/m"), ["3/5", "60.0 %", "0", "0"], "{stdout}");
    let unmet = "contains: no `Paris` in `Hello from openai.`";
    assert_eq!(notes(&stdout, "primary/m")[0], ["primary/m", "capital", "failed", unmet], "{stdout}");
    assert_eq!(stdout.lines().last(), Some("every target passes 60.0 % or more"));
    assert_eq!((code, sims.calls()), (Some(0), [5, 5, 0]));
    let page = fs::read_to_string(dir.0.join("report.html")).unwrap();
    assert!(page.contains("Hello from anthropic.") && page.contains("find_order("), "{page}");

    let (code, stdout, _) = run(&fb, &dir, &check, "sk-test").await;
    assert_eq!((code, stdout.lines().count()), (Some(0), 1), "{stdout}");

    let (code, again) = eval(&fb, &dir, &[]).await;
    assert_eq!(row(&again, "backup/m"), ["3/5", "60.0 %", "0", "0"], "{again}");
    assert_eq!((code, sims.calls()), (Some(0), [5, 5, 0]), "known results are reused");
    let (_, again) = eval(&fb, &dir, &["--again"]).await;
    assert_eq!((row(&again, "backup/m")[0].as_str(), sims.calls()), ("3/5", [10, 10, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_fallback_fails_and_require_eval_rejects_it() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    sims.backup.reply(SimReply { text: Some("Bonjour.".to_owned()), ..SimReply::default() });
    dir.write("fb.toml", &config(&sims, &dir, true));

    let (code, stdout) = eval(&fb, &dir, &[]).await;
    assert_eq!(row(&stdout, "primary/m"), ["3/5", "60.0 %", "0", "-"], "{stdout}");
    let notes = notes(&stdout, "backup/m");
    let reason = |case: &str, kind: &str| {
        let note = notes.iter().find(|note| note[1] == case && note[2] == kind);
        note.unwrap_or_else(|| panic!("{stdout}"))[3]
    };
    assert_eq!(reason("greeting", "failed"), "contains: no `hello` in `Bonjour.`");
    assert_eq!(reason("greeting", "differs"), "fails, where the primary passes");
    assert!(reason("city-json", "failed").contains("schema: the answer: not JSON"), "{stdout}");
    assert_eq!((stdout.lines().last(), code), (Some("below 60.0 %: backup/m"), Some(1)));
    assert_eq!(eval(&fb, &dir, &["--min-pass", "0.2"]).await.0, Some(0));

    let refused = "routes.default.targets[1] = backup/m   no passing evaluation";
    let (code, stdout, _) = run(&fb, &dir, &["check", "fb.toml"], "sk-test").await;
    assert!(code == Some(1) && stdout.contains(refused) && !stdout.contains("primary/m"), "{stdout}");
    let (code, _, stderr) = run(&fb, &dir, &["serve", "--config", "fb.toml"], "sk-test").await;
    assert!(code == Some(1) && stderr.contains(refused), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_with_errors_are_repeated_by_the_next_run() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    sims.backup.fault(Fault::status(500));
    dir.write("fb.toml", &config(&sims, &dir, false));
    let (code, stdout) = eval(&fb, &dir, &[]).await;
    assert_eq!(row(&stdout, "backup/m"), ["0/5", "0.0 %", "5", "0"], "{stdout}");
    assert_eq!((code, sims.calls()), (Some(1), [5, 5, 0]), "no breaker hides a case");

    sims.backup.heal();
    let (code, stdout) = eval(&fb, &dir, &["--concurrency", "1"]).await;
    assert_eq!(row(&stdout, "backup/m"), ["3/5", "60.0 %", "0", "0"], "{stdout}");
    assert_eq!((code, sims.calls()), (Some(0), [5, 10, 0]), "only the fallback is called again");
}
