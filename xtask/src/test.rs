//! Prepares what the tests need, then runs them all.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{
    counts::Counts,
    local_model,
    process::{cargo, run as run_command, run_counting, target_dir},
    python,
};

pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let args = args.strip_prefix(&["--"]).unwrap_or(args);
    let mut counts = Counts::default();
    let outcome = prepare_and_run(args, &mut counts);
    println!("{counts}");
    outcome.map(|()| ExitCode::SUCCESS)
}

/// `args` are for `cargo test`.
pub(crate) fn prepare_and_run(args: &[&str], counts: &mut Counts) -> Result<()> {
    let target = target_dir()?;
    let python = wanted("the Python environment", python::prepare(&target))?;
    let model = wanted("the local model", local_model::prepare())?;

    run_command(&mut cargo("build -p fb-gateway --locked"))?;
    let mut tests = cargo("test --workspace --locked");
    tests.args(args).env("FB_BIN", target.join("debug/fb"));
    if let Some(python) = python {
        tests.env("FB_PYTHON", python);
    }
    if let Some(model) = model {
        tests.env("FB_LLAMA_SERVER", model.server()).env("FB_LLAMA_MODEL", model.weights());
        tests.env("FB_LLAMA_LIB", model.libraries());
    }
    run_counting(&mut tests, counts)
}

/// In CI nothing may be missing. Elsewhere the tests that need it say so themselves.
fn wanted<T>(what: &str, prepared: Result<T>) -> Result<Option<T>> {
    match prepared {
        Ok(it) => Ok(Some(it)),
        Err(error) if std::env::var_os("CI").is_some() => {
            Err(error).with_context(|| format!("{what} could not be prepared"))
        }
        Err(error) => {
            eprintln!("\n*** MISSING: {what}: {error:#}\n*** The tests that need it will NOT RUN. ***\n");
            Ok(None)
        }
    }
}
