//! Licences, sources and banned crates, as `.cargo/deny.toml` lists them.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process::{cargo, root, run as run_command, target_dir};

const VERSION: &str = "0.20.2";

/// `cargo xtask deny`: installs cargo-deny into the target folder if it is missing there, and runs it. Advisories need their
/// database on GitHub: the hosted CI checks them.
pub(crate) fn run() -> Result<ExitCode> {
    let tools = target_dir()?.join("tools");
    let binary = tools.join(format!("{VERSION}/bin/cargo-deny"));
    if !binary.is_file() {
        let mut install = cargo("install -q --locked --debug cargo-deny --version");
        install
            .arg(VERSION)
            .arg("--root")
            .arg(tools.join(VERSION))
            .arg("--target-dir")
            .arg(tools.join("build"));
        run_command(install.env("CARGO_PROFILE_DEV_DEBUG", "false"))?;
    }
    let mut deny = Command::new(binary);
    deny.args("--locked --log-level error --config .cargo/deny.toml check licenses bans sources".split(' '));
    run_command(deny.current_dir(root()))?;
    Ok(ExitCode::SUCCESS)
}
