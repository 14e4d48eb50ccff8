//! The command line `fb`.

use std::process::ExitCode;

use clap::Parser;
use fb_gateway::{Cli, run};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // For wrong arguments, clap prints the usage and exits with 2.
    run(Cli::parse())
}
