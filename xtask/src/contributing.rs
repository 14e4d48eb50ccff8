//! The commands that `CONTRIBUTING.md` names: each one runs in CI.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};

use crate::process::{root, run as run_command};

/// The step of CI that runs each command, or more than it; those of this step run as they are written.
const COMMANDS: [(&str, &str); 17] = [
    ("cargo build", STEP),
    ("cargo test -p fb-breaker", "test"),
    ("cargo test -p fb-breaker window", STEP),
    ("FB_BIN=$PWD/target/debug/fb cargo test -p fb-tests --test it cache", "test"),
    ("cargo xtask test", "test"),
    ("cargo test -p fb invariants", "test"),
    ("cargo xtask mutants", "mutants"),
    ("cargo xtask cost", "cost"),
    ("cargo xtask chaos", "chaos"),
    ("cargo xtask chaos --only race", "chaos"),
    ("cargo xtask tidy", "tidy"),
    ("cargo test --test fuzz -p fb-wire -p fb", "test"),
    ("cargo xtask packages", "packages"),
    ("cargo xtask deny", "deny"),
    ("cargo xtask docs", "docs"),
    ("cargo xtask prices", STEP),
    (".ci/run", STEPS),
];

/// The name of this step.
pub(crate) const STEP: &str = "contributing";
/// All steps.
const STEPS: &str = "";

/// Checks that every command of the table in `CONTRIBUTING.md` runs in one of the steps, and runs those that no other
/// step runs.
pub(crate) fn run(steps: &[&str]) -> Result<()> {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md"))?;
    for command in own_commands(&text, steps)? {
        println!("{command}");
        run_command(Command::new("sh").args(["-c", command]).current_dir(root()))?;
    }
    Ok(())
}

/// Returns the commands of the first column of a table that no other step runs.
fn own_commands<'a>(text: &'a str, steps: &[&str]) -> Result<Vec<&'a str>> {
    let cell = |line: &'a str| Some(line.strip_prefix("| `")?.split_once("` |")?.0);
    let commands: Vec<_> = text.lines().filter_map(cell).collect();
    let step_of = |command: &&str| COMMANDS.iter().find(|(known, _)| known == command).map(|(_, step)| *step);
    for command in &commands {
        let step = step_of(command).with_context(|| format!("`{command}` runs in no step of CI"))?;
        ensure!(step == STEPS || steps.contains(&step), "`{command}` runs in {step}, which is no step of CI");
    }
    let stale: Vec<_> = COMMANDS.iter().filter(|(known, _)| !commands.contains(known)).collect();
    ensure!(stale.is_empty(), "CONTRIBUTING.md does not name {stale:?}");
    Ok(commands.into_iter().filter(|command| step_of(command) == Some(STEP)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 9] =
        ["tidy", "docs", "test", "mutants", "deny", "packages", "cost", "chaos", "contributing"];

    fn page(commands: impl IntoIterator<Item = &'static str>) -> String {
        let rows: Vec<_> = commands.into_iter().map(|command| format!("| `{command}` | effect |")).collect();
        rows.join("\n")
    }

    #[test]
    fn command_that_no_step_runs_is_an_error() {
        let known = || COMMANDS.iter().map(|(command, _)| *command);
        let own = ["cargo build", "cargo test -p fb-breaker window", "cargo xtask prices"];
        assert_eq!(own_commands(&page(known()), &ALL).unwrap(), own);

        let error = |text: &str, steps: &[&str]| own_commands(text, steps).unwrap_err().to_string();
        let more = page(known().chain(["cargo xtask bless"]));
        assert_eq!(error(&more, &ALL), "`cargo xtask bless` runs in no step of CI");
        assert_eq!(
            error(&page(known()), &ALL[1..]),
            "`cargo xtask tidy` runs in tidy, which is no step of CI"
        );
        let fewer = page(known().skip(1));
        assert_eq!(error(&fewer, &ALL), r#"CONTRIBUTING.md does not name [("cargo build", "contributing")]"#);
    }
}
