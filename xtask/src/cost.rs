//! `cargo xtask cost`: the CPU instructions that a request costs, beside those of a minimal proxy in the same run.
//!
//! callgrind counts the user instructions of a whole process. Each path is measured with few requests and with many; the
//! difference is free of everything that happens once. A count does not depend on the load of the machine, and the ratio to
//! the floor little on its CPU.

mod baseline;
mod client;
mod measure;
mod path;
mod server;
mod tls;

use std::{fs, process::ExitCode};

use anyhow::{Context, Result};

use self::{
    baseline::{Baseline, verdict},
    measure::Rig,
};
use crate::process::root;

/// The committed figures. They rise only in a commit of their own that names the feature and the amount.
const BASELINE: &str = "xtask/src/cost/baseline.json";

/// Prints what each feature costs when it is on.
pub(crate) fn run_features() -> Result<ExitCode> {
    Rig::prepare()?.measure_features()?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn run(write: bool) -> Result<ExitCode> {
    let measured = Rig::prepare()?.measure()?;
    let file = root().join(BASELINE);
    if write {
        fs::write(&file, measured.to_json()).with_context(|| format!("cannot write {BASELINE}"))?;
        println!("cost: wrote {BASELINE}");
        return Ok(ExitCode::SUCCESS);
    }
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {BASELINE}"))?;
    let verdict = verdict(&measured, &Baseline::from_json(&text)?);
    print!("{}", verdict.table);
    if verdict.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for problem in verdict.problems {
        println!("cost: {problem}");
    }
    Ok(ExitCode::FAILURE)
}
