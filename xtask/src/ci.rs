//! Everything CI checks, cheap steps first; stops at the first red one.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    chaos,
    counts::Counts,
    process::{cargo, run as run_command},
    test, tidy,
};

type Step = fn(&mut Counts) -> Result<()>;

const STEPS: [(&str, Step); 7] = [
    ("fmt", |_| run_command(&mut cargo("fmt --all --check"))),
    ("tidy", |_| green(tidy::run()?)),
    ("clippy", |_| {
        run_command(&mut cargo("clippy --workspace --all-targets --all-features --locked -- -D warnings"))
    }),
    ("test", |counts| test::prepare_and_run(&["--no-fail-fast"], counts)),
    ("doc", |_| run_command(cargo("doc --workspace --no-deps --locked").env("RUSTDOCFLAGS", "-D warnings"))),
    ("demo", |_| run_command(&mut cargo("run --release -p fb-gateway --locked -- demo --once"))),
    ("chaos", |_| green(chaos::run(&[])?)),
];

pub(crate) fn run() -> ExitCode {
    let mut counts = Counts::default();
    let mut code = ExitCode::SUCCESS;
    for (name, step) in STEPS {
        println!("==> {name}");
        let (took, outcome) = timed(|| step(&mut counts));
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
    println!("{counts}");
    code
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
