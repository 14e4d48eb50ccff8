use std::{path::Path, process::ExitCode};

use crate::{config, out::say};

/// Prints every error of a config file, or what the file sets up.
pub(crate) fn check(file: &Path) -> Result<ExitCode, String> {
    let text = config::read(file)?;
    match config::parse(&text) {
        Ok(loaded) => {
            let (providers, routes) = (loaded.fb.providers.len(), loaded.fb.routes.len());
            let (providers, routes) = (count(providers, "provider"), count(routes, "route"));
            say(&format!("{}: ok, {providers} and {routes}", file.display()));
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            for error in &errors {
                say(&format!("{}:{error}", file.display()));
            }
            say(&count(errors.len(), "error"));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn count(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}
