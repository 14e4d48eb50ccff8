//! Everything that CI checks, cheap steps first. The first step that fails ends the run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    chaos, contributing, cost, deny, docs, mutants, outside, packages,
    process::{cargo, run as run_command, run_within},
    test::{self, Results},
    tidy,
};

type Step = fn(&mut Results) -> Result<()>;

const STEPS: [(&str, Step); 15] = [
    ("fmt", |_| run_command(&mut cargo("fmt --all --check"))),
    ("tidy", |_| green(tidy::run()?)),
    ("docs", |_| green(docs::check()?)),
    ("clippy", |_| {
        run_command(&mut cargo("clippy --workspace --all-targets --all-features --locked -- -D warnings"))
    }),
    ("test", |results| test::prepare_and_run(&[], results)),
    (contributing::STEP, |_| contributing::run(&STEPS.map(|(name, _)| name))),
    ("mutants", |_| mutants::run()),
    ("examples", |_| examples()),
    ("doc", |_| run_command(cargo("doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings"))),
    ("deny", |_| green(deny::run()?)),
    ("packages", |_| green(packages::run()?)),
    ("outside", |_| green(outside::run()?)),
    ("demo", |_| run_command(&mut cargo("run --release -p fb-gateway --locked -- demo --once"))),
    ("cost", |_| green(cost::run(false)?)),
    ("chaos", |_| green(chaos::run(&[])?)),
];

pub(crate) fn run() -> ExitCode {
    let mut results = Results::default();
    let mut code = ExitCode::SUCCESS;
    for (name, step) in STEPS {
        println!("==> {name}");
        let (took, outcome) = timed(|| step(&mut results));
        let seconds = took.as_secs_f64();
        match outcome {
            Ok(()) => println!("==> {name}: green in {seconds:.1} s\n"),
            Err(error) => {
                eprintln!("error: {error:#}");
                println!("==> {name}: RED in {seconds:.1} s, the steps after it did not run\n");
                code = ExitCode::FAILURE;
                break;
            }
        }
    }
    println!("{results}");
    code
}

/// Examples that run until they are stopped.
const ENDLESS: [&str; 2] = ["floor", "simulate"];

/// The longest that an example may run, far above the longest of them.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(120);

/// Runs every example of every crate but the [`ENDLESS`] ones. None of them needs a network.
fn examples() -> Result<()> {
    let mut files: Vec<_> = list("crates")?.into_iter().map(|krate| krate.join("examples")).collect();
    files.retain(|folder| folder.is_dir());
    for folder in files {
        let package =
            folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        // Built apart, so that the limit below counts the run alone.
        run_command(&mut cargo(&format!("build -q -p {package} --all-features --locked --examples")))?;
        for file in list(&folder)? {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if ENDLESS.contains(&name.as_str()) {
                continue;
            }
            let mut example = cargo(&format!("run -q -p {package} --all-features --locked --example {name}"));
            run_within(&mut example, EXAMPLE_LIMIT)?;
        }
    }
    Ok(())
}

/// The paths in a folder, in order of name.
fn list(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let mut found = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

fn green(code: ExitCode) -> Result<()> {
    if code != ExitCode::SUCCESS {
        bail!("see above");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the duration of a step is for a person to read")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let outcome = work();
    (start.elapsed(), outcome)
}
