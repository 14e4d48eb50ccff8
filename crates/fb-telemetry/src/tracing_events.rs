use fb_core::{Attempt, AttemptEnd, Event, Failure, Observer, Report, ServedBy, TargetId};
use tracing::debug;

use crate::{
    Outcome,
    words::{cache_word, end_word, next_word, skip_word},
};

#[cfg(test)]
mod tests;

/// Writes a `tracing` event for every attempt, skip and request, with `gen_ai.*` names of OpenTelemetry's semantic
/// conventions.
///
/// They are events, not spans: an observer hears of an attempt when it is over, and a span made then would begin at the
/// wrong time and last no time. Each carries its own duration, and belongs to the span its request runs in, if the
/// program opened one. All are of level `DEBUG`:
///
/// | target | one for each | fields |
/// |---|---|---|
/// | `fb::attempt` | call that ended | `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `error.type`, `http.response.status_code`, `fb.route`, `fb.attempt`, `fb.outcome`, `fb.next`, `fb.start`, `fb.duration` |
/// | `fb::skip` | target passed over | `gen_ai.provider.name`, `gen_ai.request.model`, `fb.route`, `fb.skip_reason`, `fb.next` |
/// | `fb::request` | request | `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `error.type`, `fb.route`, `fb.outcome`, `fb.level`, `fb.cache`, `fb.attempts`, `fb.hops`, `fb.duration` |
///
/// The provider's name is the configured one. `error.type` is the failure's kind, and of a request its outcome; it is
/// absent when nothing failed. Of a request, provider and model are those that answered. Times are in seconds; `fb.start`
/// counts from the beginning of the request. Which model a provider says has answered is not told to observers, so
/// `gen_ai.response.model` is missing. No field holds what a caller or a provider wrote.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingEvents;

impl Observer for TracingEvents {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Ended { route, attempt } => match &attempt.end {
                AttemptEnd::Skipped { why, .. } => debug!(
                    target: "fb::skip", {
                    gen_ai.provider.name = attempt.target.provider().as_str(),
                    gen_ai.request.model = attempt.target.model(),
                    fb.route = route,
                    fb.skip_reason = skip_word(why),
                    fb.next = next_word(attempt.next), }, "target skipped"),
                _ => called(route, attempt),
            },
            Event::Finished { route, report, .. } => finished(route, report),
            _ => {}
        }
    }
}

fn called(route: &str, attempt: &Attempt) {
    let usage = match &attempt.end {
        AttemptEnd::Ok { usage, .. } | AttemptEnd::Blocked { usage, .. } => *usage,
        _ => None,
    };
    let failure = match &attempt.end {
        AttemptEnd::Failed(failure) => Some(failure),
        _ => None,
    };
    debug!(
        target: "fb::attempt", {
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = attempt.target.provider().as_str(),
        gen_ai.request.model = attempt.target.model(),
        gen_ai.usage.input_tokens = usage.map(|usage| usage.input),
        gen_ai.usage.output_tokens = usage.map(|usage| usage.output),
        error.type = failure.map(|failure| failure.kind().name()),
        http.response.status_code = failure.and_then(Failure::status),
        fb.route = route,
        fb.attempt = attempt.number,
        fb.outcome = end_word(&attempt.end),
        fb.next = next_word(attempt.next),
        fb.start = attempt.at.as_secs_f64(),
        fb.duration = attempt.took.as_secs_f64(), }, "attempt ended");
}

fn finished(route: &str, report: &Report) {
    let outcome = Outcome::of(report);
    let by = match &report.served_by {
        Some(ServedBy::Target(id)) => Some(id),
        Some(ServedBy::Cache | ServedBy::Static) | None => None,
    };
    let usage = report.usage();
    debug!(
        target: "fb::request", {
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = by.map(|id| id.provider().as_str()),
        gen_ai.request.model = by.map(TargetId::model),
        gen_ai.usage.input_tokens = usage.map(|usage| usage.input),
        gen_ai.usage.output_tokens = usage.map(|usage| usage.output),
        error.type = (outcome != Outcome::Answered).then_some(outcome.name()),
        fb.route = route,
        fb.outcome = outcome.name(),
        fb.level = report.level.name(),
        fb.cache = report.cache.as_ref().map(cache_word),
        fb.attempts = report.attempts(),
        fb.hops = report.hops(),
        fb.duration = report.took.as_secs_f64(), }, "request finished");
}
