//! Running other programs.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The command `cargo <words>`, in the root of the repository.
pub(crate) fn cargo(words: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(words.split_whitespace()).current_dir(root());
    command
}

/// Runs the command to its end. Any exit status but 0 is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure_success(command, status)
}

/// [`run`], but a command that still runs after `limit` is killed, and that is an error.
#[expect(clippy::disallowed_methods, reason = "nothing else runs in this process")]
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    const POLL: Duration = Duration::from_millis(20);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    for _ in 0..limit.as_millis() / POLL.as_millis() {
        if let Some(status) = child.try_wait()? {
            return ensure_success(command, status);
        }
        thread::sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    bail!("{} still ran after {} s and was killed", shown(command), limit.as_secs())
}

/// Runs the command to its end and returns its stdout.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    ensure_success(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("{} did not write UTF-8", shown(command)))
}

fn ensure_success(command: &Command, status: ExitStatus) -> Result<()> {
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// Returns true when the command starts and succeeds. Its output is discarded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// `cargo metadata` of the workspace, without dependencies.
pub(crate) fn metadata() -> Result<Value> {
    let text = read(&mut cargo("metadata --format-version 1 --no-deps --locked"))?;
    serde_json::from_str(&text).context("cargo metadata is not JSON")
}

/// The build folder, which `CARGO_TARGET_DIR` and cargo's configuration may move.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata has no target_directory")?;
    Ok(folder.into())
}

/// The command line, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
