//! System packages, on Debian and its relatives.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Installs packages when run as root.
///
/// # Errors
///
/// Without root or apt-get: the command to run by hand.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    let list = packages.join(" ");
    let is_root = process::read(Command::new("id").arg("-u"))?.trim() == "0";
    if !is_root || !process::succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{why}; install it as root: apt-get install {list}");
    }
    println!("{why}: installing {list} with apt-get");
    process::run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-q", "-y", "--no-install-recommends"]).args(packages);
    process::run(install.env("DEBIAN_FRONTEND", "noninteractive")).with_context(|| why.to_owned())
}
