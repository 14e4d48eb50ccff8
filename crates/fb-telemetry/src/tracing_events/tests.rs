use std::{
    fmt::{self, Write},
    sync::Arc,
};

use expect_test::expect;
use parking_lot::Mutex;
use tracing::{
    Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry,
};

use super::*;
use crate::samples::{everything, rows};

/// Keeps every event as lines of text.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<String>>);

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = self.0.lock();
        writeln!(text, "{} {}", event.metadata().level(), event.metadata().target()).unwrap();
        event.record(&mut Lines(&mut text));
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

#[test]
fn skips_attempts_and_requests_are_told_with_the_names_of_the_conventions() {
    let text = captured(|| everything(&TracingEvents, "default", ["a", "a", "b"]));
    expect![[r#"
        DEBUG fb::skip
          message = target skipped
          gen_ai.provider.name = "a"
          gen_ai.request.model = "m"
          fb.route = "default"
          fb.skip_reason = "breaker_open"
          fb.next = "hop"
        DEBUG fb::attempt
          message = attempt ended
          gen_ai.operation.name = "chat"
          gen_ai.provider.name = "a"
          gen_ai.request.model = "m"
          error.type = "overloaded"
          http.response.status_code = 529
          fb.route = "default"
          fb.attempt = 1
          fb.outcome = "overloaded"
          fb.next = "hop"
          fb.start = 0.0
          fb.duration = 0.4
        DEBUG fb::attempt
          message = attempt ended
          gen_ai.operation.name = "chat"
          gen_ai.provider.name = "b"
          gen_ai.request.model = "m"
          gen_ai.usage.input_tokens = 14
          gen_ai.usage.output_tokens = 200
          fb.route = "default"
          fb.attempt = 1
          fb.outcome = "ok"
          fb.next = "nothing"
          fb.start = 0.0
          fb.duration = 0.4
        DEBUG fb::request
          message = request finished
          gen_ai.operation.name = "chat"
          gen_ai.provider.name = "b"
          gen_ai.request.model = "m"
          gen_ai.usage.input_tokens = 14
          gen_ai.usage.output_tokens = 200
          fb.route = "default"
          fb.outcome = "answered"
          fb.level = "full"
          fb.cache = "miss"
          fb.attempts = 2
          fb.hops = 1
          fb.duration = 0.9
    "#]]
    .assert_eq(&text);
}

#[test]
fn nothing_that_a_caller_or_a_provider_wrote_is_told() {
    let failure = format!("{:?}", rows(["a", "a", "b"])[1].end);
    let text = captured(|| everything(&TracingEvents, "default", ["a", "a", "b"]));
    for secret in ["sk-secret", "my prompt", "code-of-provider"] {
        assert!(failure.contains(secret) && !text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn the_table_of_fields_names_every_field() {
    let source = include_str!("../tracing_events.rs");
    let text = captured(|| everything(&TracingEvents, "default", ["a", "a", "b"]));
    for field in text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(" = ")) {
        let documented =
            source.lines().any(|line| line.starts_with("/// |") && line.contains(&format!("`{}`", field.0)));
        assert!(documented || field.0 == "message", "{}", field.0);
    }
}
