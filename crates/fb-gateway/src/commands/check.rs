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
                if let Some(warning) = cut_retries(route) {
                    print_line(&format!("{}: warning: {warning}", file.display()));
                }
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

/// Returns a warning if the targets of a route allow more calls together than the route allows for one request.
fn cut_retries(route: &Route) -> Option<String> {
    let enabled = route.targets.iter().filter(|target| target.enabled);
    let calls: Vec<u32> = enabled.map(|target| target.max_retries.saturating_add(1)).collect();
    let (sum, most) = (calls.iter().sum::<u32>(), route.max_attempts);
    let cut = sum.checked_sub(most).filter(|cut| *cut > 0)?;
    let calls: Vec<String> = calls.iter().map(ToString::to_string).collect();
    let (name, calls) = (&route.name, calls.join(" + "));
    Some(format!(
        "routes.{name}.max_attempts = {most}: the targets allow {calls} = {sum} calls; {cut} of them will not be made"
    ))
}

#[cfg(test)]
mod tests {
    use fb::Target;

    use super::*;

    #[test]
    fn cut_retries_are_named_with_their_numbers() {
        let target = |retries| Target::new("a", "m").max_retries(retries);
        // Three, two and one tries are six calls.
        assert_eq!(cut_retries(&Route::priority("default", [2, 1, 0].map(target))), None);
        let mut route = Route::priority("default", [3, 2, 1].map(target));
        assert_eq!(
            cut_retries(&route).as_deref(),
            Some(
                "routes.default.max_attempts = 6: the targets allow 4 + 3 + 2 = 9 calls; 3 of them will not be made"
            )
        );
        route.targets[0].enabled = false;
        assert_eq!(cut_retries(&route), None);
    }
}
