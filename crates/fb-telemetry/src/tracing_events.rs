use fb_core::{Event, Observer};
use tracing::{info, warn};

/// An observer that emits `tracing` events outside of requests: state changes of breakers (target `fb::breaker`, level
/// `INFO`), ladder moves of routes (`fb::ladder`, `INFO`), and tenants close to a limit (`fb::budget`, `WARN`). Requests
/// and their calls are [spans](crate::RequestSpan).
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingEvents;

impl Observer for TracingEvents {
    fn on_event(&self, event: &Event<'_>) {
        match *event {
            Event::Breaker { target, from, to, reason } => info!(
                target: "fb::breaker", {
                gen_ai.provider.name = target.provider().as_str(),
                gen_ai.request.model = target.model(),
                fb.from = from.name(),
                fb.to = to.name(),
                fb.reason = reason, }, "a breaker is {to}"),
            Event::ProviderBreaker { provider, from, to, reason } => info!(
                target: "fb::breaker", {
                gen_ai.provider.name = provider.as_str(),
                fb.from = from.name(),
                fb.to = to.name(),
                fb.reason = reason, }, "the breaker of a provider is {to}"),
            Event::Ladder { route, from, to } => info!(
                target: "fb::ladder", {
                fb.route = route,
                fb.from = from.name(),
                fb.to = to.name(), }, "a route is at level {to}"),
            Event::Budget { tenant, key, limit, share, refused } => warn!(
                target: "fb::budget", {
                fb.tenant = tenant,
                fb.key = key,
                fb.limit = limit,
                fb.share = share,
                fb.refused = refused, }, "{:.0} % of {limit} is used", share * 100.0),
            _ => {}
        }
    }
}
