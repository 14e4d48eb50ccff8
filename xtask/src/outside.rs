//! Programs that use the crates from outside of the workspace, which unifies the features of its packages and so hides
//! what other programs get.

use std::{
    fs,
    process::{Command, ExitCode},
};

use anyhow::{Result, ensure};

use crate::{
    apt,
    process::{cargo, root, run as run_command, succeeds, target_dir},
};

/// `cargo xtask outside`: runs every package in `tests/outside`, with the dependencies of the workspace's lock file and in
/// its target folder.
pub(crate) fn run() -> Result<ExitCode> {
    if !succeeds(Command::new("pkg-config").args(["--exists", "openssl"])) {
        apt::install(&["libssl-dev", "pkg-config"], "native-tls needs the headers of OpenSSL")?;
    }
    let target = target_dir()?;
    let mut packages = Vec::new();
    for entry in fs::read_dir(root().join("tests/outside"))? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            packages.push(folder);
        }
    }
    packages.sort();
    ensure!(!packages.is_empty(), "tests/outside has no packages");
    for package in &packages {
        fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock"))?;
        let mut program = cargo("run -q");
        program.arg("--manifest-path").arg(package.join("Cargo.toml")).arg("--target-dir").arg(&target);
        run_command(&mut program)?;
    }
    println!("outside: {} programs", packages.len());
    Ok(ExitCode::SUCCESS)
}
