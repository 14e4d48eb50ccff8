//! The attack tool of the tests of slow clients, from Debian.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{apt, process};

/// Returns the path of `slowhttptest`, which is installed first if it is missing.
pub(crate) fn prepare() -> Result<PathBuf> {
    // A new command each time: one that was run without output stays so.
    let find = || {
        let mut find = Command::new("sh");
        find.args(["-c", "command -v slowhttptest"]);
        find
    };
    if !process::succeeds(&mut find()) {
        apt::install(&["slowhttptest"], "slowhttptest is missing")?;
    }
    Ok(process::read(&mut find())?.trim().into())
}
