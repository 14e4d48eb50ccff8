//! Golden cases, asked of every target of a route, and what `fb check` and `fb serve` make of the results.

use std::{fs, path::Path, process::Stdio};

use fb_sim::{Fault, SimReply};
use tokio::process::Command;

use crate::harness::{Folder, Sims, needs};

/// The example set that is shipped: of its five cases a simulator greets, follows the schema and calls the tool, but knows
/// neither the capital of France nor the sum.
pub(crate) const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/golden.jsonl");
/// Two targets, of which the first is the primary.
fn config(sims: &Sims, folder: &Folder, require: bool) -> String {
    format!(
        "[eval]\nmin_pass = 0.6\nresults = {:?}\n{}\n[routes.default]\nrequire_eval = {require}\nquality = {{ empty = true, tools = true, \
         schema = true, repair = true }}\ntargets = [\n{{ provider = \"primary\", model = \"m\", max_retries = 0, \
         price = {{ input = 1.0, output = 2.0 }} }},\n{{ provider = \"backup\", model = \"m\", max_retries = 0 }},\n]\n",
        folder.0.join("results.jsonl").display().to_string(),
        sims.providers()
    )
}

pub(crate) async fn run(
    fb: &Path,
    folder: &Folder,
    args: &[&str],
    key: &str,
) -> (Option<i32>, String, String) {
    let mut command = Command::new(fb);
    command.args(args).current_dir(&folder.0).env_clear().env("FB_TEST_KEY", key).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn eval(fb: &Path, folder: &Folder, more: &[&str]) -> (Option<i32>, String) {
    let args = [&["eval", "--config", "fb.toml", CASES], more].concat();
    let (code, said, errors) = run(fb, folder, &args, "sk-test").await;
    assert_eq!(errors, "", "{said}");
    (code, said)
}

/// The row of a target: passed, share, errors, and in how many cases it differs.
pub(crate) fn row(said: &str, target: &str) -> [String; 4] {
    let line =
        said.lines().find(|line| line.starts_with(&format!("{target} "))).unwrap_or_else(|| panic!("{said}"));
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    [1, 2, 3, 7].map(|place| cells[place].to_owned())
}

/// What is said of single cases at a target: target, case, what, why.
pub(crate) fn notes<'a>(said: &'a str, target: &str) -> Vec<Vec<&'a str>> {
    let lines = said.lines().filter(|line| line.starts_with(&format!("{target} "))).skip(1);
    lines.map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_answer_alike_pass_and_are_not_asked_again() {
    let Some(fb) = needs("FB_BIN") else { return };
    let (sims, folder) = (Sims::start().await, Folder::new());
    folder.write("fb.toml", &config(&sims, &folder, false));

    let check = ["check", "fb.toml"];
    let (code, said, _) = run(&fb, &folder, &check, "sk-test").await;
    let warning = "fb.toml: warning: routes.default: no passing evaluation (fb eval) of primary/m, backup/m";
    assert_eq!((code, said.lines().last()), (Some(0), Some(warning)), "{said}");

    let (code, said) = eval(&fb, &folder, &["--report", "report.html"]).await;
    assert_eq!(row(&said, "primary/m"), ["3/5", "60.0 %", "0", "-"], "{said}");
    assert_eq!(row(&said, "backup/m"), ["3/5", "60.0 %", "0", "0"], "{said}");
    let unmet = "contains: no `Paris` in `Hello from openai.`";
    assert_eq!(notes(&said, "primary/m")[0], ["primary/m", "capital", "failed", unmet], "{said}");
    assert_eq!(said.lines().last(), Some("every target passes 60.0 % or more"));
    assert_eq!((code, sims.calls()), (Some(0), [5, 5, 0]));
    let page = fs::read_to_string(folder.0.join("report.html")).unwrap();
    assert!(page.contains("Hello from anthropic.") && page.contains("find_order("), "{page}");

    let (code, said, _) = run(&fb, &folder, &check, "sk-test").await;
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");

    let (code, again) = eval(&fb, &folder, &[]).await;
    assert_eq!(row(&again, "backup/m"), ["3/5", "60.0 %", "0", "0"], "{again}");
    assert_eq!((code, sims.calls()), (Some(0), [5, 5, 0]), "what is known is not asked again");
    let (_, again) = eval(&fb, &folder, &["--again"]).await;
    assert_eq!((row(&again, "backup/m")[0].as_str(), sims.calls()), ("3/5", [10, 10, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctored_fallback_is_caught_and_a_route_that_requires_more_refuses_it() {
    let Some(fb) = needs("FB_BIN") else { return };
    let (sims, folder) = (Sims::start().await, Folder::new());
    sims.backup.reply(SimReply { text: Some("Bonjour.".to_owned()), ..SimReply::default() });
    folder.write("fb.toml", &config(&sims, &folder, true));

    let (code, said) = eval(&fb, &folder, &[]).await;
    assert_eq!(row(&said, "primary/m"), ["3/5", "60.0 %", "0", "-"], "{said}");
    let notes = notes(&said, "backup/m");
    let of = |case: &str, what: &str| {
        let note = notes.iter().find(|note| note[1] == case && note[2] == what);
        note.unwrap_or_else(|| panic!("{said}"))[3]
    };
    assert_eq!(of("greeting", "failed"), "contains: no `hello` in `Bonjour.`");
    assert_eq!(of("greeting", "differs"), "fails, where the primary passes");
    assert!(of("city-json", "failed").contains("schema: the answer: not JSON"), "{said}");
    assert_eq!((said.lines().last(), code), (Some("below 60.0 %: backup/m"), Some(1)));
    assert_eq!(eval(&fb, &folder, &["--min-pass", "0.2"]).await.0, Some(0));

    let refused = "routes.default.targets[1] = backup/m   no passing evaluation";
    let (code, said, _) = run(&fb, &folder, &["check", "fb.toml"], "sk-test").await;
    assert!(code == Some(1) && said.contains(refused) && !said.contains("primary/m"), "{said}");
    let (code, _, errors) = run(&fb, &folder, &["serve", "--config", "fb.toml"], "sk-test").await;
    assert!(code == Some(1) && errors.contains(refused), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_asked_is_asked_the_next_time() {
    let Some(fb) = needs("FB_BIN") else { return };
    let (sims, folder) = (Sims::start().await, Folder::new());
    sims.backup.fault(Fault::status(500));
    folder.write("fb.toml", &config(&sims, &folder, false));
    let (code, said) = eval(&fb, &folder, &[]).await;
    assert_eq!(row(&said, "backup/m"), ["0/5", "0.0 %", "5", "0"], "{said}");
    assert_eq!((code, sims.calls()), (Some(1), [5, 5, 0]), "no breaker hides a case");

    sims.backup.heal();
    let (code, said) = eval(&fb, &folder, &["--concurrency", "1"]).await;
    assert_eq!(row(&said, "backup/m"), ["3/5", "60.0 %", "0", "0"], "{said}");
    assert_eq!((code, sims.calls()), (Some(0), [5, 10, 0]), "only the fallback is asked again");
}
