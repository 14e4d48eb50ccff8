use std::{path::Path, process::ExitCode};

use crate::config;

/// Prints every error of a config file, or what the file sets up.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn check(file: &Path) -> Result<ExitCode, String> {
    let text = config::read(file)?;
    match config::parse(&text) {
        Ok(loaded) => {
            let (providers, routes) = (loaded.fb.providers.len(), loaded.fb.routes.len());
            println!(
                "{}: ok, {} and {}",
                file.display(),
                count(providers, "provider"),
                count(routes, "route")
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            for error in &errors {
                println!("{}:{error}", file.display());
            }
            println!("{}", count(errors.len(), "error"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn count(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}
