//! Prepares what the tests need, then runs them all.

mod results;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};

pub(crate) use self::results::Results;
use self::results::Target;
use crate::{
    claude_code, local_model,
    process::{cargo, metadata, run as run_command, shown, target_dir},
    python, slowhttptest,
};

/// `cargo xtask test`: runs the tests and ends with one summary.
pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let args = args.strip_prefix(&["--"]).unwrap_or(args);
    let mut results = Results::default();
    let outcome = prepare_and_run(args, &mut results);
    println!("{results}");
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Runs `cargo test` with `args`, every test binary even when one fails. Without a package among the arguments the
/// whole workspace is tested.
pub(crate) fn prepare_and_run(args: &[&str], results: &mut Results) -> Result<()> {
    let target = target_dir()?;
    let python = required("the Python environment", python::prepare(&target))?;
    let slow = required("slowhttptest", slowhttptest::prepare())?;
    let agent = match claude_code::unsupported() {
        Some(_) => None,
        None => required("Claude Code", claude_code::prepare(&target))?,
    };
    let unsupported = local_model::unsupported();
    let model = match &unsupported {
        Some(reason) => {
            eprintln!(
                "\n*** THIS MACHINE CANNOT RUN the local model: {reason}. Its tests will NOT RUN. ***\n"
            );
            None
        }
        None => required("the local model", local_model::prepare())?,
    };

    run_command(&mut cargo("build -p fb-gateway --locked"))?;
    let mut tests = cargo("test --locked --no-fail-fast");
    if !args.iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package")) {
        tests.arg("--workspace");
    }
    tests.args(args).env("FB_BIN", target.join("debug/fb"));
    if let Some(python) = python {
        tests.env("FB_PYTHON", python);
    }
    if let Some(agent) = agent {
        tests.env("FB_CLAUDE_CODE", agent);
    }
    if let Some(slow) = slow {
        tests.env("FB_SLOWHTTPTEST", slow);
    }
    if let Some(model) = model {
        tests.env("FB_LLAMA_SERVER", model.server()).env("FB_LLAMA_MODEL", model.weights());
        tests.env("FB_LLAMA_LIB", model.libraries());
    }
    if let Some(reason) = unsupported {
        tests.env("FB_LLAMA_UNSUPPORTED", reason);
    }
    *results = Results::of_targets(targets()?);
    run_and_record(&mut tests, results)
}

/// In CI everything must be there. Elsewhere each test that lacks something prints that it did not run.
fn required<T>(what: &str, prepared: Result<T>) -> Result<Option<T>> {
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

/// Runs `cargo test`, passes its output through, and records the results.
fn run_and_record(command: &mut Command, results: &mut Results) -> Result<()> {
    // One pipe for both streams keeps their order: cargo names a test binary on stderr, the binary prints its results
    // to stdout.
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    // The command itself still holds the writing ends of the pipe; the reader ends when all of them are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        results.add_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    results.finish();
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// The test targets of the workspace, by the name of their binary and the path of their source, as cargo prints them.
fn targets() -> Result<BTreeMap<(String, String), Target>> {
    let metadata = metadata()?;
    let mut targets = BTreeMap::new();
    for package in metadata["packages"].as_array().context("cargo metadata has no packages")? {
        let name = package["name"].as_str().context("a package has no name")?;
        let manifest = package["manifest_path"].as_str().context("a package has no manifest")?;
        let folder = Path::new(manifest).parent().context("a manifest has a folder")?;
        for target in package["targets"].as_array().context("a package has no targets")? {
            let (Some(target_name), Some(kind)) = (target["name"].as_str(), target["kind"][0].as_str())
            else {
                continue;
            };
            let source = Path::new(target["src_path"].as_str().unwrap_or_default());
            let source = source.strip_prefix(folder).unwrap_or(source).to_string_lossy().into_owned();
            let selector = match kind {
                "bin" | "example" | "bench" | "test" => format!("--{kind} {target_name}"),
                _ => "--lib".to_owned(),
            };
            let target = Target { package: name.to_owned(), selector };
            targets.insert((target_name.replace('-', "_"), source), target);
        }
    }
    Ok(targets)
}
