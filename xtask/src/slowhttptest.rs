//! The attack tool of the tests of slow clients, from Debian.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{apt, process};

/// Returns the path of `slowhttptest`, which is installed first if it is missing.
pub(crate) fn prepare() -> Result<PathBuf> {
    let mut find = Command::new("sh");
    find.args(["-c", "command -v slowhttptest"]);
    if !process::succeeds(&mut find) {
        apt::install(&["slowhttptest"], "slowhttptest is missing")?;
    }
    Ok(process::read(&mut find)?.trim().into())
}
