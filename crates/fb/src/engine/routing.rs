//! Routing: finds the route of a request, by name, by class, and by the budget of its tenant.

use std::sync::Arc;

use fb_core::{ChatRequest, InvalidRequest};
use fb_router::{ClassRoutes, Classifier, Complexity, Signals};

use super::{directory::Directory, route_state::RouteState, spend::moment, state::Engine};
use crate::{Destination, Error, clock::now};

impl Engine {
    /// Returns the route that serves a request: the one it names, its cheaper replacement, or the route of its class.
    pub(super) fn find_route<'a>(
        &self,
        directory: &'a Directory,
        request: &ChatRequest,
    ) -> Result<&'a Arc<RouteState>, Error> {
        let named = directory.route(&request.head().model)?;
        let named = self.downshifted(directory, request, named).unwrap_or(named);
        let route = self.classified(directory, request, named).and_then(|(_, route)| route).unwrap_or(named);
        let preferred = request.options().prefer.as_deref();
        let is_known = |name: &str| {
            route.targets.iter().any(|target| target.id().is_named(name)) || directory.target(name).is_some()
        };
        if let Some(name) = preferred.filter(|name| !is_known(name)) {
            let name: String = name.chars().take(256).collect();
            let mut providers: Vec<_> =
                route.targets.iter().map(|target| target.id().provider().as_str()).collect();
            providers.sort_unstable();
            providers.dedup();
            let message = format!(
                "no target is named {name:?}; expected PROVIDER/MODEL, or a provider of the route: {}",
                providers.join(", ")
            );
            return Err(Error::InvalidRequest(InvalidRequest::field("prefer", message)));
        }
        Ok(route)
    }

    /// Returns the cheaper route for a tenant that has used most of its budget.
    fn downshifted<'a>(
        &self,
        directory: &'a Directory,
        request: &ChatRequest,
        route: &RouteState,
    ) -> Option<&'a Arc<RouteState>> {
        let cheaper = route.config.downshift.as_deref()?;
        let is_nearly_used_up = self.account(request)?.downshifts(moment(now()));
        directory.route(cheaper).ok().filter(|_| is_nearly_used_up)
    }

    /// Returns the route that a request goes to, and the class that sends it there.
    pub(crate) fn destination(&self, request: &ChatRequest) -> Result<Destination, Error> {
        let directory = self.directory();
        let route = self.find_route(&directory, request)?.name().to_owned();
        let named = directory.route(&request.head().model)?;
        let class = self.classified(&directory, request, named).map(|(class, _)| class);
        Ok(Destination { requested: named.name().to_owned(), class, route })
    }

    /// Returns the class of a request to a route with classes, and the route of that class. An unreadable request has no
    /// class: the adapter of its target names the field that is wrong.
    fn classified<'a>(
        &self,
        directory: &'a Directory,
        request: &ChatRequest,
        route: &RouteState,
    ) -> Option<(Complexity, Option<&'a Arc<RouteState>>)> {
        let config = &route.config;
        if config.classes == ClassRoutes::default() {
            return None;
        }
        let signals = Signals::from_chat(request.chat().ok()?);
        let class = match &self.classifier {
            Some(classifier) => classifier.classify(&signals),
            None => config.complexity.classify(&signals),
        };
        Some((class, config.classes.route(class).and_then(|name| directory.route(name).ok())))
    }
}
