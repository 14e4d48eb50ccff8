//! Spans of requests and of their calls.

use fb_core::{Attempt, AttemptEnd, Failure, Next, Report, ServedBy, TargetId};
use tracing::{Span, debug, debug_span, field::Empty};

use crate::{
    Outcome,
    label_values::{attempt_outcome, cache_result, hop_reason, next_step, skip_reason},
    names::DEFAULT_TENANT,
};

#[cfg(test)]
mod tests;

/// The `tracing` span of a request, with the `gen_ai.*` names of OpenTelemetry's semantic conventions.
///
/// The span is a child of the span current at its creation, and closes when this value is dropped. Spans of the
/// request's calls and events for skipped targets are its children. All have the level `DEBUG`; without a subscriber for
/// it, none is created.
///
/// | target | kind | fields |
/// |---|---|---|
/// | `fb::request` | span | `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `error.type`, `fb.route`, `fb.tenant`, `fb.outcome`, `fb.level`, `fb.cache`, `fb.attempts`, `fb.hops` |
/// | `fb::attempt` | span | `otel.kind`, `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `error.type`, `http.response.status_code`, `fb.attempt`, `fb.outcome`, `fb.next` |
/// | `fb::hop` | event | `fb.from`, `fb.to`, `fb.reason`, `fb.route`, `fb.tenant` |
/// | `fb::skip` | event | `gen_ai.provider.name`, `gen_ai.request.model`, `fb.reason`, `fb.next`, `fb.route`, `fb.tenant` |
///
/// The provider's name is the configured one. `error.type` is the failure's kind for a call and the outcome for a
/// request; it is absent without a failure. Provider and model of a request are those of the target that answered. No
/// field contains text of a caller or a provider, except the configured names of the route and the tenant.
#[derive(Debug)]
pub struct RequestSpan {
    span: Span,
    route: String,
    tenant: String,
}

/// The span of one call; it closes when this value is dropped.
#[derive(Debug)]
pub struct AttemptSpan(Span);

impl RequestSpan {
    /// Opens the span of a request.
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

    /// Emits an event for a move to another target, after this failure or skip.
    pub fn hop(&self, from: &TargetId, to: &TargetId, reason: &AttemptEnd) {
        if !self.span.is_disabled() {
            debug!(
                target: "fb::hop", parent: &self.span, {
                fb.from = %from,
                fb.to = %to,
                fb.reason = hop_reason(reason),
                fb.route = self.route,
                fb.tenant = self.tenant, }, "moved on");
        }
    }

    /// Opens the span of a call.
    pub fn attempt(&self, target: &TargetId, number: u32) -> AttemptSpan {
        if self.span.is_disabled() {
            return AttemptSpan(Span::none());
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

    /// Emits an event for a target that was skipped.
    pub fn skipped(&self, row: &Attempt) {
        if let AttemptEnd::Skipped { why, .. } = &row.end
            && !self.span.is_disabled()
        {
            debug!(
                target: "fb::skip", parent: &self.span, {
                gen_ai.provider.name = row.target.provider().as_str(),
                gen_ai.request.model = row.target.model(),
                fb.reason = skip_reason(why),
                fb.next = next_step(row.next),
                fb.route = self.route,
                fb.tenant = self.tenant, }, "passed over");
        }
    }

    /// Records the outcome of the request.
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
        let outcome = Outcome::from_report(report);
        if outcome != Outcome::Answered {
            span.record("error.type", outcome.name());
        }
        span.record("fb.outcome", outcome.name());
        span.record("fb.level", report.level.name());
        if let Some(used) = &report.cache {
            span.record("fb.cache", cache_result(used));
        }
        span.record("fb.attempts", report.attempts());
        span.record("fb.hops", report.hops);
    }
}

impl AttemptSpan {
    /// Records the outcome of the call.
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
        span.record("fb.outcome", attempt_outcome(end));
        span.record("fb.next", next_step(next));
    }
}
