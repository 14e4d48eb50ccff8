use std::collections::BTreeSet;

use fb_core::TargetId;
use fb_router::ClassRoutes;

use crate::{Problem, Route, Target, config::quote};

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

/// Names the targets of routes that require an evaluation and have none, and the ways around it: other routes that take the
/// requests of such a route and do not require one.
pub(crate) fn check_evaluations(evaluations: &Evaluations, routes: &[&Route], found: &mut Vec<Problem>) {
    for route in routes.iter().filter(|route| route.require_eval) {
        for (place, target) in evaluations.missing(route) {
            let expected = "no passing evaluation, which require_eval asks for; `fb eval` makes one";
            found.push(Problem::new(format!("routes.{}.{place}", route.name), target.name(), expected));
        }
        let ClassRoutes { simple, moderate, complex } = &route.classes;
        let others = [
            ("classes.simple", simple),
            ("classes.moderate", moderate),
            ("classes.complex", complex),
            ("downshift", &route.downshift),
        ];
        for (place, other) in others {
            // A name that no route has is another check's to find.
            let Some(other) = routes.iter().find(|known| Some(&known.name) == other.as_ref()) else {
                continue;
            };
            if !other.require_eval {
                let expected = "require_eval is true here and not there; expected a route with require_eval";
                found.push(Problem::new(
                    format!("routes.{}.{place}", route.name),
                    quote(&other.name),
                    expected,
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;
