use std::{path::Path, process::ExitCode};

use fb::{Evaluations, Route};

use crate::{
    config,
    stdout::{count, say},
};

/// Prints every error of a config file, or what the file sets up.
pub(crate) fn check(file: &Path) -> Result<ExitCode, String> {
    let text = config::read(file)?;
    match config::parse(&text) {
        Ok(loaded) => {
            let (providers, routes) = (loaded.fb.providers.len(), loaded.fb.routes.len());
            let (providers, routes) = (count(providers, "provider"), count(routes, "route"));
            say(&format!("{}: ok, {providers} and {routes}", file.display()));
            for warning in &loaded.warnings {
                say(&format!("{}: warning: {warning}", file.display()));
            }
            for route in loaded.fb.routes.values() {
                warn(file, route, &loaded.fb.evaluations);
            }
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

/// Says which targets nobody has seen answer as the route's primary does.
fn warn(file: &Path, route: &Route, evaluations: &Evaluations) {
    let missing = evaluations.missing(route);
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|(_, target)| target.name()).collect();
        let (file, route, names) = (file.display(), &route.name, names.join(", "));
        say(&format!("{file}: warning: routes.{route}: no passing evaluation (fb eval) of {names}"));
    }
}
