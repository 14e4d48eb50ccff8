//! Checks of the settings that a config file and the builder have in common. Each appends what it finds to a list, so
//! that one run reports every problem.

use std::collections::BTreeMap;

use fb_cache::CacheConfig;
use fb_core::{FailureKind, InvalidConfig};
use fb_quality::Gates;
use fb_retry::{BudgetConfig, RetryBudget};
use fb_router::{Candidate, ClassRoutes, Router, Strategy};

use crate::{
    LadderConfig, Route, RouteCache, Target, TracesConfig,
    mechanisms::{Mechanisms, Overrides},
    route::MAX_CACHE_WINDOW,
};

/// The most targets that a route may have.
const MAX_TARGETS: usize = 64;

/// Checks the mechanism settings: the global ones and the overrides of providers and targets.
pub(crate) fn check_mechanisms(
    global: &Mechanisms,
    retry_budget: &BudgetConfig,
    providers: &BTreeMap<String, Overrides>,
    routes: &[&Route],
    problems: &mut Vec<InvalidConfig>,
) {
    global.check("", problems);
    if let Err(error) = RetryBudget::new(retry_budget) {
        problems
            .push(InvalidConfig::expecting(error.field, error.value, error.expected).within("retry_budget"));
    }
    effective_mechanisms(global, providers, routes, problems);
}

/// A target with its route and its effective settings.
pub(crate) type Effective<'a> = (&'a Route, &'a Target, Mechanisms);

/// Returns every target with its route and its effective settings, and reports the overrides that cannot be applied.
pub(crate) fn effective_mechanisms<'a>(
    global: &Mechanisms,
    providers: &BTreeMap<String, Overrides>,
    routes: &[&'a Route],
    problems: &mut Vec<InvalidConfig>,
) -> Vec<Effective<'a>> {
    let by_provider: BTreeMap<&str, Mechanisms> = providers
        .iter()
        .map(|(name, overrides)| {
            let path = format!("providers.{name}");
            (name.as_str(), global.with_overrides(overrides, &path, problems))
        })
        .collect();
    let mut effective = Vec::new();
    for route in routes {
        for (path, target) in route.all_targets() {
            let outer = by_provider.get(target.provider.as_str()).unwrap_or(global);
            let path = format!("routes.{}.{path}", route.name);
            let mechanisms = outer.with_overrides(&Overrides::from(target), &path, problems);
            effective.push((*route, target, mechanisms));
        }
    }
    effective
}

/// Returns the targets with retries that cannot all be made, because their waits exceed the deadline of the route.
pub(crate) fn waits_beyond_deadline(effective: &[Effective<'_>]) -> Vec<InvalidConfig> {
    let warning = |(route, target, mechanisms): &Effective<'_>| {
        let retry = target.retry_config(&mechanisms.retry);
        let (retries, deadline) = (retry.max_retries?, route.effective_deadline());
        let waits = retry.total_wait(retries);
        (target.enabled && waits > deadline).then(|| {
            let expected = format!(
                "shorter than the waits before the {retries} retries of {}, {waits:?} in all before jitter; expected a \
                 longer deadline or fewer retries",
                target.name()
            );
            InvalidConfig::new(format!("routes.{}.deadline", route.name), format!("{deadline:?}"), expected)
        })
    };
    effective.iter().filter_map(warning).collect()
}

/// Returns the routes with targets that together allow more calls than the route does for one request.
pub(crate) fn retries_beyond_attempts(routes: &[&Route], effective: &[Effective<'_>]) -> Vec<InvalidConfig> {
    let warning = |route: &&Route| {
        let is_own = |(owner, target, _): &&Effective<'_>| {
            owner.name == route.name
                && target.enabled
                && route.targets.iter().any(|own| std::ptr::eq(own, *target))
        };
        let retries = effective.iter().filter(is_own).map(|(_, target, mechanisms)| {
            target.retry_config(&mechanisms.retry).max_retries.unwrap_or_default()
        });
        let calls: Vec<u32> = retries.map(|retries| retries.saturating_add(1)).collect();
        let (sum, most) = (calls.iter().sum::<u32>(), route.max_attempts);
        let cut = sum.checked_sub(most).filter(|cut| *cut > 0)?;
        let calls = calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
        let effect = format!("the targets allow {calls} = {sum} calls; {cut} of them will not be made");
        Some(InvalidConfig::new(format!("routes.{}.max_attempts", route.name), most.to_string(), effect))
    };
    routes.iter().filter_map(warning).collect()
}

/// Returns the settings that have no effect because a route has no quality gates, or because it has some.
pub(crate) fn settings_without_effect(routes: &[&Route]) -> Vec<InvalidConfig> {
    let mut warnings = Vec::new();
    for route in routes {
        let quality = &route.quality;
        let has_gate = Gates::new(quality.clone(), Vec::new()).is_ok_and(|gates| !gates.is_empty());
        let mut warn = |field: &str, effect: &str| {
            warnings.push(InvalidConfig::new(format!("routes.{}.{field}", route.name), "true", effect));
        };
        if !has_gate {
            let effect = "without effect, as no gate is set; expected a gate, such as empty = true";
            for (field, is_set) in [("quality.buffer", quality.buffer), ("quality.repair", quality.repair)] {
                if is_set {
                    warn(field, effect);
                }
            }
        } else if route.resume {
            warn("resume", "without effect, as the answers of a route with quality gates are not resumed");
        }
    }
    warnings
}

/// Checks the capacity of the cache.
pub(crate) fn check_cache(config: &CacheConfig, problems: &mut Vec<InvalidConfig>) {
    if let Err(error) = config.validate() {
        problems.push(InvalidConfig::expecting(error.field, error.value, error.expected).within("cache"));
    }
}

/// Checks the number of kept traces.
pub(crate) fn check_traces(config: &TracesConfig, problems: &mut Vec<InvalidConfig>) {
    if config.keep > TracesConfig::MAX {
        let expected = format!("expected at most {}", TracesConfig::MAX);
        problems.push(InvalidConfig::new("traces.keep", config.keep.to_string(), expected));
    }
}

/// Checks the routes, given the names of the configured providers.
pub(crate) fn check_routes(routes: &[&Route], providers: &[&str], problems: &mut Vec<InvalidConfig>) {
    let mut names: BTreeMap<&str, &str> = routes.iter().map(|r| (r.name.as_str(), "a route")).collect();
    for route in routes {
        let path = format!("routes.{}", route.name);
        if route.name.is_empty() || route.name.len() > 256 || route.name.contains(char::is_control) {
            problems.push(InvalidConfig::quoted(
                &path,
                &route.name,
                "expected a name of 1 to 256 characters",
            ));
        }
        for (index, alias) in route.aliases.iter().enumerate() {
            if let Some(other) = names.insert(alias, "an alias") {
                let expected = format!("already the name of {other}; expected a unique name");
                problems.push(InvalidConfig::quoted(format!("{path}.aliases[{index}]"), alias, expected));
            }
        }
        check_limits(&path, route, problems);
        check_cache_windows(&format!("{path}.cache"), &route.cache, problems);
        for (index, target) in route.targets.iter().enumerate() {
            check_target(&format!("{path}.targets[{index}]"), target, providers, problems);
        }
        check_strategy(&path, route, routes, problems);
        check_classes(&format!("{path}.classes"), &route.classes, routes, problems);
        if let Err(error) = Gates::new(route.quality.clone(), Vec::new()) {
            problems.push(error.within(&format!("{path}.quality")));
        }
        check_ladder(&format!("{path}.ladder"), &route.ladder, providers, problems);
    }
}

/// Checks the number of targets and attempts, and the times of a route.
fn check_limits(path: &str, route: &Route, problems: &mut Vec<InvalidConfig>) {
    if route.targets.is_empty() || route.targets.len() > MAX_TARGETS {
        let value = format!("{} targets", route.targets.len());
        let expected = format!("expected 1 to {MAX_TARGETS} targets");
        problems.push(InvalidConfig::new(format!("{path}.targets"), value, expected));
    } else if route.targets.iter().all(|target| !target.enabled) {
        let expected = "expected at least one enabled target";
        problems.push(InvalidConfig::new(format!("{path}.targets"), "none enabled", expected));
    }
    if !(1..=100).contains(&route.max_attempts) {
        let value = route.max_attempts.to_string();
        problems.push(InvalidConfig::new(format!("{path}.max_attempts"), value, "expected 1 to 100"));
    }
    let durations = [
        ("deadline", route.effective_deadline()),
        ("idle_timeout", route.idle_timeout),
        ("semantic_gap", route.semantic_gap),
        ("stream_total", route.stream_total),
    ];
    for (field, duration) in durations {
        problems.extend(InvalidConfig::check_duration(&format!("{path}.{field}"), duration));
    }
}

fn check_cache_windows(path: &str, cache: &RouteCache, problems: &mut Vec<InvalidConfig>) {
    for (field, window) in [("fresh", cache.fresh), ("stale_if_error", cache.stale_if_error)] {
        let Some(window) = window else { continue };
        let expected = if !cfg!(feature = "cache") {
            "expected no cache, as the feature `cache` of fb is off"
        } else if window.is_zero() || window > MAX_CACHE_WINDOW {
            "expected true, false, or a time above 0 and up to 30 days"
        } else {
            continue;
        };
        problems.push(InvalidConfig::new(format!("{path}.{field}"), format!("{window:?}"), expected));
    }
}

/// Checks the settings of the strategy, the weights and prices that it needs, and the downshift route.
fn check_strategy(path: &str, route: &Route, routes: &[&Route], problems: &mut Vec<InvalidConfig>) {
    if let Err(error) = Router::new(route.router_config()) {
        problems.push(error.within(path));
    }
    if let Some(cheaper) = &route.downshift
        && !routes.iter().any(|other| other.name == *cheaper)
    {
        let expected = "no such route; expected the name of a cheaper one";
        problems.push(InvalidConfig::quoted(format!("{path}.downshift"), cheaper, expected));
    }
    for (index, target) in route.targets.iter().enumerate() {
        if !(target.weight > 0.0 && target.weight <= Candidate::MAX_WEIGHT) {
            let (field, value) = (format!("{path}.targets[{index}].weight"), target.weight.to_string());
            problems.push(InvalidConfig::new(field, value, "expected more than 0, at most 1000000"));
        }
        if route.strategy == Strategy::Cheapest && target.price.is_none() {
            let expected = "the strategy is cheapest: expected price = { input = …, output = … }";
            problems.push(InvalidConfig::new(format!("{path}.targets[{index}].price"), "missing", expected));
        }
    }
}

/// Checks that every class names a route without classes of its own, so that one step finds the route of a request.
fn check_classes(path: &str, classes: &ClassRoutes, routes: &[&Route], problems: &mut Vec<InvalidConfig>) {
    let ClassRoutes { simple, moderate, complex } = classes;
    for (class, name) in [("simple", simple), ("moderate", moderate), ("complex", complex)] {
        let Some(name) = name else { continue };
        let expected = match routes.iter().find(|other| other.name == *name) {
            None => {
                let names = routes.iter().map(|route| route.name.as_str());
                match fb_providers::nearest(name, names) {
                    Some(near) => format!("no such route; did you mean {near:?}?"),
                    None => "no such route; expected the name of one".to_owned(),
                }
            }
            Some(other) if other.classes != ClassRoutes::default() => {
                "this route has classes itself; expected one that has none".to_owned()
            }
            Some(_) => continue,
        };
        problems.push(InvalidConfig::quoted(format!("{path}.{class}"), name, expected));
    }
}

fn check_ladder(path: &str, ladder: &LadderConfig, providers: &[&str], problems: &mut Vec<InvalidConfig>) {
    if ladder.descend_after == 0 {
        problems.push(InvalidConfig::new(format!("{path}.descend_after"), "0", "expected at least 1"));
    }
    problems.extend(InvalidConfig::check_duration(&format!("{path}.within"), ladder.within));
    problems.extend(InvalidConfig::check_duration(&format!("{path}.climb"), ladder.climb));
    for (level, rung) in [("reduced", &ladder.reduced), ("minimal", &ladder.minimal)] {
        let Some(rung) = rung else { continue };
        if rung.targets.len() > MAX_TARGETS {
            let (value, expected) =
                (format!("{} targets", rung.targets.len()), format!("expected at most {MAX_TARGETS}"));
            problems.push(InvalidConfig::new(format!("{path}.{level}.targets"), value, expected));
        }
        for (index, target) in rung.targets.iter().enumerate() {
            check_target(&format!("{path}.{level}.targets[{index}]"), target, providers, problems);
        }
        if rung.max_tokens == Some(0) {
            problems.push(InvalidConfig::new(
                format!("{path}.{level}.max_tokens"),
                "0",
                "expected at least 1",
            ));
        }
        if let Some(temperature) = rung.temperature.filter(|temperature| !(0.0..=2.0).contains(temperature)) {
            let field = format!("{path}.{level}.temperature");
            problems.push(InvalidConfig::new(field, temperature.to_string(), "expected 0 to 2"));
        }
    }
}

fn check_target(path: &str, target: &Target, providers: &[&str], problems: &mut Vec<InvalidConfig>) {
    if !providers.contains(&target.provider.as_str()) {
        let near = fb_providers::nearest(&target.provider, providers.iter().copied());
        let expected = match near {
            Some(near) => format!("no such provider; did you mean {near:?}?"),
            None => format!("no such provider; expected one of: {}", providers.join(", ")),
        };
        problems.push(InvalidConfig::quoted(format!("{path}.provider"), &target.provider, expected));
    }
    if target.model.is_empty() {
        let expected = "expected the name of a model";
        problems.push(InvalidConfig::quoted(format!("{path}.model"), &target.model, expected));
    }
    if let Some(retries) = target.max_retries.filter(|retries| *retries > 20) {
        let value = retries.to_string();
        problems.push(InvalidConfig::new(format!("{path}.max_retries"), value, "expected 0 to 20"));
    }
    if target.max_in_flight == Some(0) {
        problems.push(InvalidConfig::new(format!("{path}.max_in_flight"), "0", "expected at least 1"));
    }
    let Target { timeout, first_output, idle, total, .. } = *target;
    for (field, limit) in
        [("timeout", timeout), ("first_output", first_output), ("idle", idle), ("total", total)]
    {
        problems
            .extend(limit.and_then(|limit| InvalidConfig::check_duration(&format!("{path}.{field}"), limit)));
    }
    if let Some(price) = target.price
        && !(price.input >= 0.0 && price.output >= 0.0 && price.input + price.output < 1e9)
    {
        let value = format!("{} / {}", price.input, price.output);
        let expected = "expected USD per million tokens, 0 or more";
        problems.push(InvalidConfig::new(format!("{path}.price"), value, expected));
    }
    for (index, kind) in target.trigger_on.iter().flatten().enumerate() {
        let field = format!("{path}.trigger_on[{index}]");
        if ["block", "blocked", "content_filter", "content_policy", "refusal"].contains(&kind.as_str()) {
            let expected = "a content-policy block is surfaced and never sent to another target; remove it";
            problems.push(InvalidConfig::quoted(field, kind, expected));
        } else if let Err(error) = FailureKind::named(kind) {
            let expected = format!("{error}; or a group: rate_limit, auth_error, network_error");
            problems.push(InvalidConfig::quoted(field, kind, expected));
        }
    }
}
