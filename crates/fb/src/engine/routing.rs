//! Routing: finds the route of a request, by name, by class, and by the budget of its tenant.

use std::sync::Arc;

use fb_budget::Account;
use fb_core::{ChatRequest, InvalidRequest};
use fb_router::{ClassRoutes, Classifier, Complexity, Signals};

use super::{
    admission::{check_tenant, is_open},
    directory::Directory,
    route_state::RouteState,
    spend::moment,
    state::Engine,
};
use crate::{Destination, Error, clock::now};

impl Engine {
    /// Returns the route that serves a request: the one it names, its cheaper replacement, or the route of its class.
    pub(super) fn find_route<'a>(
        &self,
        directory: &'a Directory,
        request: &ChatRequest,
    ) -> Result<&'a Arc<RouteState>, Error> {
        let named = named_route(directory, request)?;
        let cheaper = downshifted(directory, request, named).unwrap_or(named);
        let classified = self.classified(directory, request, cheaper).and_then(|(_, route)| route);
        let route = classified.unwrap_or(cheaper);
        check_preference(directory, request, [named, route])?;
        Ok(route)
    }

    /// Returns the route that a request goes to, and the class that sends it there.
    pub(crate) fn destination(&self, request: &ChatRequest) -> Result<Destination, Error> {
        let directory = self.directory();
        let route = self.find_route(&directory, request)?.name().to_owned();
        let named = named_route(&directory, request)?;
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
        Some((class, config.classes.route(class).and_then(|name| directory.route(name))))
    }
}

/// Returns the route that a request names.
fn named_route<'a>(directory: &'a Directory, request: &ChatRequest) -> Result<&'a Arc<RouteState>, Error> {
    let model = request.head().model.as_str();
    let is_allowed = !request.options().refuse_direct || directory.has_route(model);
    directory.route(model).filter(|_| is_allowed).ok_or_else(|| {
        let limits = directory.account(request).map(Account::limits);
        let open = directory.routes().filter(|route| is_open(route, limits));
        Error::UnknownModel {
            model: model.chars().take(256).collect(),
            routes: open.map(|route| route.name().to_owned()).collect(),
        }
    })
}

/// Checks that a preferred target exists: one of the named route, of the route in its place or, where targets may be
/// named directly, of any route.
fn check_preference(
    directory: &Directory,
    request: &ChatRequest,
    routes: [&Arc<RouteState>; 2],
) -> Result<(), Error> {
    let Some(name) = request.options().prefer.as_deref() else { return Ok(()) };
    let is_direct = !request.options().refuse_direct && directory.target(name).is_some();
    let mut targets = routes.iter().flat_map(|route| &route.targets);
    if is_direct || targets.any(|target| target.id().is_named(name)) {
        return Ok(());
    }
    let limits = directory.account(request).map(Account::limits);
    let [_, route] = routes;
    let open = route.targets.iter().filter(|target| check_tenant(limits, target).is_ok());
    let mut providers: Vec<_> = open.map(|target| target.id().provider().as_str()).collect();
    providers.sort_unstable();
    providers.dedup();
    let message = format!(
        "no target is named {:?}; expected PROVIDER/MODEL, or a provider of the route: {}",
        name.chars().take(256).collect::<String>(),
        providers.join(", ")
    );
    Err(Error::InvalidRequest(InvalidRequest::field("prefer", message)))
}

/// Returns the cheaper route for a tenant that has used most of its budget.
fn downshifted<'a>(
    directory: &'a Directory,
    request: &ChatRequest,
    route: &RouteState,
) -> Option<&'a Arc<RouteState>> {
    let cheaper = route.config.downshift.as_deref()?;
    let is_nearly_used_up = directory.account(request)?.downshifts(moment(now()));
    directory.route(cheaper).filter(|_| is_nearly_used_up)
}
