//! The command line of Claude Code for the tests of the gateway, from npm.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{apt, local_model, process};

/// The package with the program alone, and its version.
const PACKAGE: &str = "@anthropic-ai/claude-code-linux-x64";
const VERSION: &str = "2.1.197";

/// Returns the reason why this machine cannot run the program; `None` if it can. It needs the CPU of the local model.
pub(crate) fn unsupported() -> Option<String> {
    local_model::unsupported()
}

/// Returns the path of the program, which is downloaded first if it is missing.
pub(crate) fn prepare(target: &Path) -> Result<PathBuf> {
    let folder = target.join("npm");
    let package = folder.join("node_modules").join(PACKAGE);
    let program = package.join("claude");
    let is_current = || {
        let manifest = fs::read_to_string(package.join("package.json")).unwrap_or_default();
        manifest.contains(&format!("\"{VERSION}\"")) && program.exists()
    };
    if is_current() {
        return Ok(program);
    }
    println!("downloading {PACKAGE} {VERSION} to {}", folder.display());
    if !process::succeeds(Command::new("npm").arg("--version")) {
        apt::install(&["npm"], "npm is missing")?;
    }
    fs::create_dir_all(&folder)?;
    let mut install = Command::new("npm");
    install.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
    process::run(install.arg("--prefix").arg(&folder).arg(format!("{PACKAGE}@{VERSION}")))
        .context("Claude Code could not be installed")?;
    ensure!(is_current(), "npm installed no {}", program.display());
    Ok(program)
}
