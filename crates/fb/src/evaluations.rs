use std::collections::BTreeSet;

use fb_core::TargetId;

use crate::{Problem, Route, Target};

/// Which targets answered the golden cases of which routes well enough: what `fb eval` finds, or a program's own tests.
///
/// A route with [`Route::require_eval`] takes no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluations(BTreeSet<(String, String)>);

impl Evaluations {
    /// Adds a target that passed for a route.
    pub fn pass(&mut self, route: impl Into<String>, target: &TargetId) {
        self.0.insert((route.into(), target.to_string()));
    }

    /// The enabled targets of a route that did not pass for it, each with its place in the route.
    pub fn missing<'a>(&self, route: &'a Route) -> Vec<(String, &'a Target)> {
        let passed = |target: &Target| self.0.contains(&(route.name.clone(), target.name()));
        route.every_target().filter(|(_, target)| target.enabled && !passed(target)).collect()
    }
}

/// Names the targets of routes that require an evaluation and have none.
pub(crate) fn check_evaluations(evaluations: &Evaluations, routes: &[&Route], found: &mut Vec<Problem>) {
    for route in routes.iter().filter(|route| route.require_eval) {
        for (place, target) in evaluations.missing(route) {
            let expected = "no passing evaluation, which require_eval asks for; `fb eval` makes one";
            found.push(Problem::new(format!("routes.{}.{place}", route.name), target.name(), expected));
        }
    }
}

#[cfg(test)]
mod tests;
