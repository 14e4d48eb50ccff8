use std::collections::BTreeSet;

use fb_core::{InvalidConfig, TargetId};
use fb_router::ClassRoutes;

use crate::{Route, Target};

/// The targets that passed the golden cases of a route, as found by `fb eval` or by a program's own tests.
///
/// A route with [`Route::require_eval`] uses no other targets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluations(BTreeSet<(String, String)>);

impl Evaluations {
    /// Records that a target passed the golden cases of a route.
    pub fn record_pass(&mut self, route: impl Into<String>, target: &TargetId) {
        self.0.insert((route.into(), target.to_string()));
    }

    /// Returns the enabled targets of a route without a recorded pass, each with its path in the route.
    pub fn missing<'a>(&self, route: &'a Route) -> Vec<(String, &'a Target)> {
        let has_passed = |target: &Target| self.0.contains(&(route.name.clone(), target.name()));
        route.all_targets().filter(|(_, target)| target.enabled && !has_passed(target)).collect()
    }
}

/// Reports the targets without a recorded pass of routes that require one. Reports also the ways around the
/// requirement: routes that take over requests of such a route and do not require an evaluation themselves.
pub(crate) fn check_evaluations(
    evaluations: &Evaluations,
    routes: &[&Route],
    problems: &mut Vec<InvalidConfig>,
) {
    for route in routes.iter().filter(|route| route.require_eval) {
        for (path, target) in evaluations.missing(route) {
            let expected = "no passing evaluation, but require_eval is true; run `fb eval`";
            problems.push(InvalidConfig::new(
                format!("routes.{}.{path}", route.name),
                target.name(),
                expected,
            ));
        }
        let ClassRoutes { simple, moderate, complex } = &route.classes;
        let successors = [
            ("classes.simple", simple),
            ("classes.moderate", moderate),
            ("classes.complex", complex),
            ("downshift", &route.downshift),
        ];
        for (path, name) in successors {
            // The check of the routes reports a name that no route has.
            let Some(successor) = routes.iter().find(|known| Some(&known.name) == name.as_ref()) else {
                continue;
            };
            if !successor.require_eval {
                let field = format!("routes.{}.{path}", route.name);
                let expected = "require_eval is true here and not there; expected a route with require_eval";
                problems.push(InvalidConfig::quoted(field, &successor.name, expected));
            }
        }
    }
}

#[cfg(test)]
mod tests;
