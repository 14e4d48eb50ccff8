use std::{
    fmt::{self, Write},
    sync::Arc,
    time::Duration,
};

use expect_test::expect;
use fb_core::{CacheUse, Trace};
use parking_lot::Mutex;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry,
};

use super::*;
use crate::samples::rows;

/// Captures every span and event with its parent.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<String>>);

impl Capture {
    fn line(&self, head: &str, id: Option<&Id>) {
        let of = id.map(|id| format!(" of {}", id.into_u64())).unwrap_or_default();
        writeln!(self.0.lock(), "{head}{of}").unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_new_span(&self, attrs: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.line(&format!("begins {}", attrs.metadata().target()), None);
        assert_eq!(attrs.parent().is_some(), attrs.metadata().name() == "attempt");
        attrs.record(&mut Lines(&mut self.0.lock()));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Lines(&mut self.0.lock()));
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        assert!(event.parent().is_some(), "{event:?}");
        self.line(event.metadata().target(), None);
        event.record(&mut Lines(&mut self.0.lock()));
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.line("ends", None);
    }
}

struct Lines<'a>(&'a mut String);

impl Visit for Lines<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0, "  {field} = {value:?}").unwrap();
    }
}

fn captured(run: impl FnOnce()) -> String {
    let capture = Capture::default();
    tracing::subscriber::with_default(registry().with(capture.clone()), run);
    let text = capture.0.lock();
    text.clone()
}

/// Emits the spans of a request with a skipped, a failed and an answering target.
fn request() {
    let [skipped, failed, answered] = rows(["a", "b", "c"]);
    let span = RequestSpan::new("default", Some("acme"));
    span.skipped(&skipped);
    span.hop(&skipped.target, &failed.target, &skipped.end);
    span.attempt(&failed.target, 1).ended(&failed.end, failed.next);
    span.hop(&failed.target, &answered.target, &failed.end);
    span.attempt(&answered.target, 1).ended(&answered.end, answered.next);
    let report = Report::with(|report| {
        report.hops = 2;
        report.served_by = Some(ServedBy::Target(answered.target.clone()));
        report.took = Duration::from_millis(900);
        report.cache = Some(CacheUse::Miss);
        report.trace = Trace::new(vec![skipped, failed, answered]);
    });
    span.finished(&report);
}

#[test]
fn request_and_calls_are_spans_with_conventional_field_names() {
    expect![[r#"
        begins fb::request
          gen_ai.operation.name = "chat"
          fb.route = "default"
          fb.tenant = "acme"
        fb::skip
          message = passed over
          gen_ai.provider.name = "a"
          gen_ai.request.model = "m"
          fb.reason = "breaker_open"
          fb.next = "hop"
          fb.route = "default"
          fb.tenant = "acme"
        fb::hop
          message = moved on
          fb.from = a/m
          fb.to = b/m
          fb.reason = "breaker_open"
          fb.route = "default"
          fb.tenant = "acme"
        begins fb::attempt
          otel.kind = "client"
          gen_ai.operation.name = "chat"
          gen_ai.provider.name = "b"
          gen_ai.request.model = "m"
          fb.attempt = 1
          error.type = "overloaded"
          http.response.status_code = 529
          fb.outcome = "overloaded"
          fb.next = "hop"
        ends
        fb::hop
          message = moved on
          fb.from = b/m
          fb.to = c/m
          fb.reason = "overloaded"
          fb.route = "default"
          fb.tenant = "acme"
        begins fb::attempt
          otel.kind = "client"
          gen_ai.operation.name = "chat"
          gen_ai.provider.name = "c"
          gen_ai.request.model = "m"
          fb.attempt = 1
          gen_ai.usage.input_tokens = 14
          gen_ai.usage.output_tokens = 200
          fb.outcome = "ok"
          fb.next = "nothing"
        ends
          gen_ai.provider.name = "c"
          gen_ai.request.model = "m"
          gen_ai.usage.input_tokens = 14
          gen_ai.usage.output_tokens = 200
          fb.outcome = "answered"
          fb.level = "full"
          fb.cache = "miss"
          fb.attempts = 2
          fb.hops = 2
        ends
    "#]]
    .assert_eq(&captured(request));
}

#[test]
fn spans_contain_no_text_of_callers_or_providers() {
    let failure = format!("{:?}", rows(["a", "a", "b"])[1].end);
    let text = captured(request);
    for secret in ["sk-secret", "my prompt", "code-of-provider"] {
        assert!(failure.contains(secret) && !text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn field_table_is_complete() {
    let source = include_str!("../spans.rs");
    let text = captured(request);
    for (field, _) in text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(" = ")) {
        let documented =
            source.lines().any(|line| line.starts_with("/// |") && line.contains(&format!("`{field}`")));
        assert!(documented || field == "message", "{field}");
    }
}
