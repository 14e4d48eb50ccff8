//! The command line `fb`.

use std::process::ExitCode;

use clap::Parser;
use fb_gateway::{Cli, run};

fn main() -> ExitCode {
    // clap prints usage errors itself and exits with 2: the caller called it wrong.
    run(Cli::parse())
}
