//! The prices of a config's targets.

use fb::{Config, Price, Route, Target, TargetId};

use crate::config::find_route;

/// A target and the price of its tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PricedTarget {
    pub(super) target: TargetId,
    pub(super) price: Price,
}

/// Returns the enabled targets of a route and of the routes of its classes.
///
/// # Errors
/// If there is no such route, or if a target has no price: it might be the most expensive one.
pub(super) fn route_targets(config: &Config, route: &str) -> Result<Vec<PricedTarget>, String> {
    let Some(named) = find_route(config, route) else {
        let known = config.routes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "no route {route:?}; routes: {known}; or name a target in --best PROVIDER/MODEL"
        ));
    };
    let classes = [&named.classes.simple, &named.classes.moderate, &named.classes.complex];
    let classes = classes.into_iter().flatten().filter_map(|name| find_route(config, name));
    let mut found: Vec<PricedTarget> = Vec::new();
    for route in [named].into_iter().chain(classes) {
        for target in route.targets.iter().filter(|target| target.enabled) {
            let one = priced(route, target)?;
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    Ok(found)
}

/// Finds a target on any route.
///
/// # Errors
/// If no route has the target, or none of them sets its price.
pub(super) fn find_target(config: &Config, id: &TargetId) -> Result<PricedTarget, String> {
    let all =
        config.routes.values().flat_map(|route| route.targets.iter().map(move |target| (route, target)));
    let mut same = all.filter(|(_, target)| has_id(target, id)).peekable();
    let first = same.peek().copied();
    // If several routes have the target, one of them may set its price.
    let found = same.find(|(_, target)| target.price.is_some()).or(first);
    let (route, target) = found.ok_or_else(|| format!("no route has the target {id}"))?;
    priced(route, target)
}

/// Returns the price of a target as the route sets it, or as any route does if this one is the target alone.
pub(super) fn price_on_route(config: &Config, route: &str, id: &TargetId) -> Result<Price, String> {
    let own = config.routes.get(route).and_then(|route| {
        let target = route.targets.iter().find(|target| target.enabled && has_id(target, id));
        target.map(|target| (route, target))
    });
    match own {
        Some((route, target)) => priced(route, target),
        None => find_target(config, id),
    }
    .map(|priced| priced.price)
}

fn has_id(target: &Target, id: &TargetId) -> bool {
    target.provider == id.provider().as_str() && target.model == id.model()
}

fn priced(route: &Route, target: &Target) -> Result<PricedTarget, String> {
    let name = target.name();
    let Some(price) = target.price else {
        let route = &route.name;
        return Err(format!(
            "{name} in the route {route} has no price; set price = {{ input = .., output = .. }}"
        ));
    };
    let target = name.parse().map_err(|error| format!("{name}: {error}"))?;
    Ok(PricedTarget { target, price })
}
