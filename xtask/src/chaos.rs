//! Builds the gateway and runs `fb-chaos` against it.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::process::{cargo, root, run as run_command, target_dir};

pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    run_command(&mut cargo("build --release -p fb-gateway -p fb-chaos --locked"))?;
    let release = target_dir()?.join("release");
    let mut chaos = Command::new(release.join("fb-chaos"));
    chaos.arg("--fb").arg(release.join("fb")).args(args).current_dir(root());
    let status = chaos.status().context("cannot start fb-chaos")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
