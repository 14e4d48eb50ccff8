//! Spans of requests and of the calls made for them.

use fb_core::{Attempt, AttemptEnd, Failure, Next, Report, ServedBy, TargetId};
use tracing::{Span, debug, debug_span, field::Empty};

use crate::{
    Outcome,
    names::DEFAULT_TENANT,
    words::{cache_word, end_word, next_word, skip_word},
};

#[cfg(test)]
mod tests;

/// The `tracing` span of a request, from its beginning until this is dropped, with the `gen_ai.*` names of OpenTelemetry's
/// semantic conventions. Spans of its calls and events of what was passed over are its children; it is itself a child of
/// the span it was made in.
///
/// All are of level `DEBUG`; where nobody listens, none is made.
///
/// | target | what | fields |
/// |---|---|---|
/// | `fb::request` | span | `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `error.type`, `fb.route`, `fb.tenant`, `fb.outcome`, `fb.level`, `fb.cache`, `fb.attempts`, `fb.hops` |
/// | `fb::attempt` | span | `otel.kind`, `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `error.type`, `http.response.status_code`, `fb.attempt`, `fb.outcome`, `fb.next` |
/// | `fb::hop` | event | `fb.from`, `fb.to`, `fb.reason`, `fb.route`, `fb.tenant` |
/// | `fb::skip` | event | `gen_ai.provider.name`, `gen_ai.request.model`, `fb.reason`, `fb.next`, `fb.route`, `fb.tenant` |
///
/// The provider's name is the configured one. `error.type` is the failure's kind, and of a request its outcome; it is
/// absent when nothing failed. Of a request, provider and model are those that answered. No field holds what a caller or
/// a provider wrote, save the route and the tenant, which are configured.
#[derive(Debug)]
pub struct RequestSpan {
    span: Span,
    route: String,
    tenant: String,
}

/// The span of one call, until this is dropped.
#[derive(Debug)]
pub struct AttemptSpan(Span);

impl RequestSpan {
    /// Begins.
    pub fn new(route: &str, tenant: Option<&str>) -> Self {
        let tenant = tenant.unwrap_or(DEFAULT_TENANT);
        let span = debug_span!(
            target: "fb::request", "request",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = Empty,
            gen_ai.request.model = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            error.type = Empty,
            fb.route = route,
            fb.tenant = tenant,
            fb.outcome = Empty,
            fb.level = Empty,
            fb.cache = Empty,
            fb.attempts = Empty,
            fb.hops = Empty,
        );
        let owned = |text: &str| if span.is_disabled() { String::new() } else { text.to_owned() };
        Self { route: owned(route), tenant: owned(tenant), span }
    }

    /// Begins the span of a call; `from` is the row of another target that failed before it.
    pub fn attempt(&self, target: &TargetId, number: u32, from: Option<&Attempt>) -> AttemptSpan {
        if self.span.is_disabled() {
            return AttemptSpan(Span::none());
        }
        if let Some(from) = from {
            debug!(
                target: "fb::hop", parent: &self.span, {
                fb.from = %from.target,
                fb.to = %target,
                fb.reason = end_word(&from.end),
                fb.route = self.route,
                fb.tenant = self.tenant, }, "moved on");
        }
        AttemptSpan(debug_span!(
            target: "fb::attempt", parent: &self.span, "attempt",
            otel.kind = "client",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = target.provider().as_str(),
            gen_ai.request.model = target.model(),
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            error.type = Empty,
            http.response.status_code = Empty,
            fb.attempt = number,
            fb.outcome = Empty,
            fb.next = Empty,
        ))
    }

    /// Tells of a target that was passed over.
    pub fn skipped(&self, row: &Attempt) {
        if let AttemptEnd::Skipped { why, .. } = &row.end
            && !self.span.is_disabled()
        {
            debug!(
                target: "fb::skip", parent: &self.span, {
                gen_ai.provider.name = row.target.provider().as_str(),
                gen_ai.request.model = row.target.model(),
                fb.reason = skip_word(why),
                fb.next = next_word(row.next),
                fb.route = self.route,
                fb.tenant = self.tenant, }, "passed over");
        }
    }

    /// Writes down how the request ended.
    pub fn finished(&self, report: &Report) {
        let Self { span, .. } = self;
        if span.is_disabled() {
            return;
        }
        if let Some(ServedBy::Target(id)) = &report.served_by {
            span.record("gen_ai.provider.name", id.provider().as_str());
            span.record("gen_ai.request.model", id.model());
        }
        if let Some(usage) = report.usage() {
            span.record("gen_ai.usage.input_tokens", usage.input);
            span.record("gen_ai.usage.output_tokens", usage.output);
        }
        let outcome = Outcome::of(report);
        if outcome != Outcome::Answered {
            span.record("error.type", outcome.name());
        }
        span.record("fb.outcome", outcome.name());
        span.record("fb.level", report.level.name());
        if let Some(used) = &report.cache {
            span.record("fb.cache", cache_word(used));
        }
        span.record("fb.attempts", report.attempts());
        span.record("fb.hops", report.hops());
    }
}

impl AttemptSpan {
    /// Writes down how the call ended.
    pub fn ended(&self, end: &AttemptEnd, next: Next) {
        let Self(span) = self;
        if span.is_disabled() {
            return;
        }
        let usage = match end {
            AttemptEnd::Ok { usage, .. } | AttemptEnd::Blocked { usage, .. } => *usage,
            _ => None,
        };
        if let Some(usage) = usage {
            span.record("gen_ai.usage.input_tokens", usage.input);
            span.record("gen_ai.usage.output_tokens", usage.output);
        }
        if let AttemptEnd::Failed(failure) = end {
            span.record("error.type", failure.kind().name());
            if let Some(status) = Failure::status(failure) {
                span.record("http.response.status_code", status);
            }
        }
        span.record("fb.outcome", end_word(end));
        span.record("fb.next", next_word(next));
    }
}
