//! The project's own commands: `cargo xtask <command>`. Depends on no crate of the workspace, so that it builds in
//! seconds.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints its results")]

mod apt;
mod chaos;
mod ci;
mod claude_code;
mod contributing;
mod cost;
mod deny;
mod docs;
mod local_model;
mod mutants;
mod outside;
mod packages;
mod prices;
mod process;
mod python;
mod slowhttptest;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
Usage: cargo xtask <command>

  ci                                   run everything that CI checks, cheap steps first
  test [-- <cargo test arguments>]     install what the tests need, then run them all
  tidy                                 check layers, fences, file circles, names and words of the repository
  docs [--check]                       write docs/reference/config.md from the types, or fail when it is stale
  prices                               write the built-in price list from the locked release of genai-prices
  deny                                 check licences, sources and banned crates with cargo-deny
  packages                             package every published crate, and build each with its oldest compiler
  outside                              run the programs in tests/outside, each a workspace of its own
  mutants                              break the engine in known ways; the invariant tests must catch each
  cost [--write]                       count the instructions of requests, or commit the counts as the baseline
  cost --features                      count the instructions of a request with each feature on and off
  chaos [<arguments>]                  build the gateway and run the chaos suite against it
  local-model fetch|start|stop|status  manage a real small model, served on 127.0.0.1:18110
  python                               create the Python environment of the tests, in target/py
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[&str]) -> Result<ExitCode> {
    match args {
        ["ci"] => Ok(ci::run()),
        ["test", args @ ..] => test::run(args),
        ["cost"] => cost::run(false),
        ["cost", "--write"] => cost::run(true),
        ["cost", "--features"] => cost::run_features(),
        ["tidy"] => tidy::run(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["prices"] => prices::write(),
        ["deny"] => deny::run(),
        ["packages"] => packages::run(),
        ["outside"] => outside::run(),
        ["mutants"] => mutants::run().map(|()| ExitCode::SUCCESS),
        ["chaos", args @ ..] => chaos::run(args),
        ["local-model", "fetch"] => local_model::fetch(),
        ["local-model", "start"] => local_model::start(),
        ["local-model", "stop"] => local_model::stop(),
        ["local-model", "status"] => local_model::status(),
        ["python"] => python::run(),
        _ => {
            eprint!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}
