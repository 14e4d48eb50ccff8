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
            for (name, provider) in &loaded.fb.providers {
                let keys = provider.key_names();
                if !keys.is_empty() {
                    print_line(&format!(
                        "  provider {name}: {}: {}",
                        count(keys.len(), "key"),
                        keys.join(", ")
                    ));
                }
            }
            for warning in loaded.all_warnings() {
                print_line(&format!("{}: warning: {warning}", file.display()));
            }
            for route in loaded.fb.routes.values() {
                warn_of_missing_evaluations(file, route, &loaded.fb.evaluations);
            }
            if let Some(note) = changed_defaults(&loaded.fb.changed_defaults()) {
                print_note(&format!("{}: note: {note}", file.display()));
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

/// Returns a note on the defaults in use that changed since the first version.
fn changed_defaults(changed: &[(&str, &str)]) -> Option<String> {
    let settings: Vec<String> =
        changed.iter().map(|(setting, then)| format!("{setting} (was {then})")).collect();
    (!settings.is_empty()).then(|| {
        format!(
            "defaults that changed since 0.1: {}; docs/reference/defaults.md has the reasons",
            settings.join(", ")
        )
    })
}

/// Prints a line that is neither an error nor a warning, apart from the result.
#[expect(clippy::print_stderr, reason = "notes go to standard error, so that the result stays as it was")]
fn print_note(line: &str) {
    eprintln!("{line}");
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
