//! The command line `fb`.

use std::process::ExitCode;

use clap::Parser;
use fb_gateway::{Cli, run};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // clap prints usage errors itself and exits with 2: the caller called it wrong.
    run(Cli::parse())
}
