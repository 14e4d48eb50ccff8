//! `fb check`: checks a config file.

use std::{path::Path, process::ExitCode};

use fb::{Evaluations, Route};

use crate::{
    config,
    stdout::{count, print_line},
};

/// Prints every error of a config file, or the number of its providers and routes, with warnings. Exits with 1 for
/// errors.
pub(crate) fn check(file: &Path) -> Result<ExitCode, String> {
    let text = config::read(file)?;
    match config::parse(&text) {
        Ok(loaded) => {
            let (providers, routes) = (loaded.fb.providers.len(), loaded.fb.routes.len());
            let (providers, routes) = (count(providers, "provider"), count(routes, "route"));
            print_line(&format!("{}: ok, {providers} and {routes}", file.display()));
            for warning in &loaded.warnings {
                print_line(&format!("{}: warning: {warning}", file.display()));
            }
            for route in loaded.fb.routes.values() {
                warn_of_missing_evaluations(file, route, &loaded.fb.evaluations);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            for error in &errors {
                print_line(&format!("{}:{error}", file.display()));
            }
            print_line(&count(errors.len(), "error"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Warns about the targets of a route without a passing evaluation.
fn warn_of_missing_evaluations(file: &Path, route: &Route, evaluations: &Evaluations) {
    let missing = evaluations.missing(route);
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|(_, target)| target.name()).collect();
        let (file, route, names) = (file.display(), &route.name, names.join(", "));
        print_line(&format!("{file}: warning: routes.{route}: no passing evaluation (fb eval) of {names}"));
    }
}
