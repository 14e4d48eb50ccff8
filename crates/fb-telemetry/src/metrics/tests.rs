use std::{collections::BTreeSet, time::Instant};

use expect_test::expect;

use super::*;
use crate::{
    Drifted,
    samples::{attempt, everything, finished, names, poor, readings, request, rows, target},
};

const README: &str = include_str!("../../README.md");

#[expect(clippy::disallowed_methods, reason = "any start time will do")]
fn alarm<'a>(route: &'a str, tenant: &'a str) -> Alarm<'a> {
    let drifted = Drifted { baseline: 0.02, rate: 0.3, requests: 30, since: Instant::now() };
    Alarm { route, tenant, drifted }
}

/// Returns the non-zero series in order, without buckets.
fn series(metrics: &Metrics) -> Vec<String> {
    let text = metrics.render();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket{"))
        .filter(|line| !line.ends_with(" 0") && !line.ends_with(" 0.0"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn request_updates_every_metric_it_concerns() {
    let metrics = Metrics::new(&names());
    everything(&metrics, "default", ["a", "a", "b"]);
    metrics.count_alarm(&alarm("default", "acme"));
    expect![[r#"
        fb_attempt_duration_seconds_count{target="a/m"} 1
        fb_attempt_duration_seconds_count{target="b/m"} 1
        fb_attempt_duration_seconds_sum{target="a/m"} 0.4
        fb_attempt_duration_seconds_sum{target="b/m"} 0.4
        fb_attempt_successes_total{route="default",target="b/m",role="fallback"} 1
        fb_attempts_total{route="default",target="a/m",outcome="overloaded"} 1
        fb_attempts_total{route="default",target="b/m",outcome="ok"} 1
        fb_breaker_state{target="a/m",state="closed"} 1
        fb_breaker_state{target="b/m",state="open"} 1
        fb_breaker_state{target="other",state="closed"} 1
        fb_breaker_transitions_total{target="b/m",from="closed",to="open",reason="failure_rate"} 1
        fb_cache_results_total{route="default",result="miss"} 1
        fb_cost_usd_total{target="b/m"} 0.0031
        fb_drift_alarms_total{route="default",tenant="acme"} 1
        fb_fallback_ratio{route="default"} 1.0
        fb_first_token_seconds_count{target="b/m"} 1
        fb_first_token_seconds_sum{target="b/m"} 0.09
        fb_hops_total{route="default",tenant="default",from="a/m",to="b/m",reason="overloaded"} 1
        fb_ladder_level{route="default"} 2
        fb_ladder_moves_total{route="default",from="full",to="minimal"} 1
        fb_primary_requests_total{route="default",target="a/m",role="fallback"} 1
        fb_provider_breaker_state{provider="a",state="closed"} 1
        fb_provider_breaker_state{provider="b",state="open"} 1
        fb_provider_breaker_state{provider="other",state="closed"} 1
        fb_provider_breaker_transitions_total{provider="b",from="closed",to="open",reason="consecutive_failures"} 1
        fb_rejected_requests_total{listener="gateway",code="invalid_api_key"} 1
        fb_request_duration_seconds_count{route="default"} 1
        fb_request_duration_seconds_sum{route="default"} 0.9
        fb_requests_total{route="default",outcome="answered",level="full",cache="miss"} 1
        fb_resumed_streams_total{route="default",target="b/m",outcome="failed"} 1
        fb_skips_total{route="default",target="a/m",reason="breaker_open"} 1
        fb_tenant_requests_total{tenant="default",outcome="answered"} 1
        fb_tokens_total{target="b/m",direction="input"} 14
        fb_tokens_total{target="b/m",direction="output"} 200"#]]
    .assert_eq(&series(&metrics).join("\n"));
}

#[test]
fn calls_are_in_flight_until_any_end() {
    let metrics = Metrics::new(&names());
    let gauge = || {
        let text = metrics.render();
        let line = text.lines().find(|line| line.starts_with("fb_attempts_in_flight{target=\"a/m\"}"));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    let target = target("a");
    for number in 1..=3 {
        metrics.on_event(&Event::Started { route: "default", target: &target, number });
    }
    assert_eq!(gauge().as_deref(), Some("3"));
    let [skip, failure, answer] = rows(["a", "a", "a"]);
    let cancelled = attempt("a", AttemptEnd::Cancelled, Next::Nothing);
    for attempt in [&skip, &failure, &answer, &cancelled] {
        metrics.on_event(&Event::Ended { route: "default", attempt });
    }
    assert_eq!(gauge().as_deref(), Some("0"));
}

#[test]
fn unknown_names_do_not_grow_the_label_sets() {
    let metrics = Metrics::new(&names());
    let labels = |metrics: &Metrics| -> Vec<String> {
        let text = metrics.render();
        let mut labels: Vec<String> =
            text.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect();
        labels.sort();
        labels
    };
    everything(&metrics, "junk", ["junk0", "junk0", "junk1"]);
    request(&metrics, "junk", Some("junk"), &poor(["junk0", "junk0", "junk1"]));
    metrics.count_alarm(&alarm("junk", "junk"));
    let before = labels(&metrics);
    for n in 0..10_000 {
        let (route, tenant) = (format!("route{n}"), format!("tenant{n}"));
        let [a, b] = [format!("a{n}"), format!("b{n}")];
        everything(&metrics, &route, [&a, &a, &b]);
        request(&metrics, &route, Some(&tenant), &poor([&a, &a, &b]));
        metrics.count_alarm(&alarm(&route, &tenant));
    }
    assert_eq!(labels(&metrics), before);
    let text = metrics.render();
    for junk in ["junk", "route1", "tenant1", "a1/", "b1/"] {
        assert!(!text.contains(junk), "{junk} in {text}");
    }
    let labels = r#"route="other",tenant="default",from="other",to="other",reason="overloaded""#;
    assert!(text.contains(&format!("fb_hops_total{{{labels}}} 10001")));
}

#[test]
fn names_configured_at_run_time_become_label_values() {
    let metrics = Metrics::new(&names());
    let (routes, targets) = (["default".to_owned(), "new".to_owned()], [target("a"), target("c")]);
    everything(&metrics, "new", ["c", "c", "a"]);
    assert!(!metrics.render().contains("c/m"));
    metrics.on_event(&Event::Reconfigured { routes: &routes, targets: &targets });
    everything(&metrics, "new", ["c", "c", "b"]);
    let text = metrics.render();
    for series in [
        // Known before: its series go on, and the names that left keep theirs.
        r#"fb_hops_total{route="other",tenant="default",from="other",to="a/m",reason="overloaded"} 1"#,
        r#"fb_hops_total{route="new",tenant="default",from="c/m",to="b/m",reason="overloaded"} 1"#,
    ] {
        assert!(text.contains(series), "{series} in {text}");
    }
}

#[test]
fn breaker_has_exactly_one_state() {
    let metrics = Metrics::new(&names());
    let states = || {
        let ones = series(&metrics).into_iter().filter(|line| line.starts_with("fb_breaker_state"));
        ones.collect::<Vec<_>>().join(" ")
    };
    let (a, closed) = (target("a"), states());
    let step = |from, to| metrics.on_event(&Event::Breaker { target: &a, from, to, reason: "reset" });
    step(BreakerState::Closed, BreakerState::Open);
    assert_eq!(states(), closed.replace(r#""a/m",state="closed""#, r#""a/m",state="open""#));
    step(BreakerState::Open, BreakerState::HalfOpen);
    assert_eq!(states(), closed.replace(r#""a/m",state="closed""#, r#""a/m",state="half_open""#));
    step(BreakerState::HalfOpen, BreakerState::Closed);
    assert_eq!(states(), closed);
}

#[test]
fn cancelled_request_is_counted_but_not_timed() {
    let metrics = Metrics::new(&names());
    let cancelled = attempt("a", AttemptEnd::Cancelled, Next::Nothing);
    request(&metrics, "default", None, &[cancelled]);
    let about = |line: &String| !line.contains("breaker_state");
    let got: Vec<String> = series(&metrics).into_iter().filter(about).collect();
    assert_eq!(
        got,
        [
            r#"fb_attempts_total{route="default",target="a/m",outcome="cancelled"} 1"#,
            r#"fb_cache_results_total{route="default",result="miss"} 1"#,
            r#"fb_requests_total{route="default",outcome="cancelled",level="full",cache="miss"} 1"#,
            r#"fb_tenant_requests_total{tenant="default",outcome="cancelled"} 1"#,
        ]
    );
}

#[test]
fn hops_are_counted_by_targets_reason_and_tenant() {
    let metrics = Metrics::new(&names());
    let [skip, failure, _] = rows(["a", "a", "b"]);
    let (a, b) = (target("a"), target("b"));
    for tenant in [None, Some("acme"), Some("unknown")] {
        for reason in [&skip.end, &failure.end, &failure.end] {
            metrics.on_event(&Event::Hop { route: "default", tenant, from: &a, to: &b, reason });
        }
    }
    expect![[r#"
        fb_hops_total{route="default",tenant="acme",from="a/m",to="b/m",reason="breaker_open"} 1
        fb_hops_total{route="default",tenant="acme",from="a/m",to="b/m",reason="overloaded"} 2
        fb_hops_total{route="default",tenant="default",from="a/m",to="b/m",reason="breaker_open"} 1
        fb_hops_total{route="default",tenant="default",from="a/m",to="b/m",reason="overloaded"} 2
        fb_hops_total{route="default",tenant="other",from="a/m",to="b/m",reason="breaker_open"} 1
        fb_hops_total{route="default",tenant="other",from="a/m",to="b/m",reason="overloaded"} 2"#]]
    .assert_eq(
        &series(&metrics)
            .into_iter()
            .filter(|line| line.starts_with("fb_hops"))
            .collect::<Vec<_>>()
            .join("\n"),
    );
}

#[test]
fn rejections_are_counted_by_gate_and_by_limit() {
    let metrics = Metrics::new(&names());
    request(&metrics, "default", Some("acme"), &poor(["a", "b", "a"]));
    // A repair that a limit refused, and one whose answer was rejected too.
    let [unpaid, bad, _, _] = poor(["b", "b", "a"]);
    let mut again = bad.clone();
    again.next = Next::Nothing;
    request(&metrics, "cheap", Some("acme"), &[bad.clone(), unpaid.clone()]);
    request(&metrics, "cheap", None, &[bad, again, unpaid]);
    let about = ["fb_gate", "fb_repairs", "fb_tenant"];
    let got: Vec<String> = series(&metrics)
        .into_iter()
        .filter(|line| about.into_iter().any(|name| line.starts_with(name)))
        .collect();
    expect![[r#"
        fb_gate_defects_total{route="cheap",target="b/m",gate="schema"} 3
        fb_gate_defects_total{route="default",target="b/m",gate="schema"} 1
        fb_repairs_total{route="cheap",target="b/m",outcome="quality"} 1
        fb_repairs_total{route="default",target="b/m",outcome="ok"} 1
        fb_tenant_refused_total{tenant="acme",limit="usd_per_day"} 2
        fb_tenant_refused_total{tenant="default",limit="usd_per_day"} 1
        fb_tenant_requests_total{tenant="acme",outcome="answered"} 1
        fb_tenant_requests_total{tenant="acme",outcome="interrupted"} 1
        fb_tenant_requests_total{tenant="default",outcome="interrupted"} 1"#]]
    .assert_eq(&got.join("\n"));
}

#[test]
fn readings_are_rendered_and_not_kept() {
    let metrics = Metrics::new(&Names::default());
    let counted = metrics.render();
    let all = metrics.render_with(&readings());
    let mut read: Vec<&str> = all.lines().filter(|line| !counted.contains(line)).collect();
    read.sort_unstable();
    expect![[r##"
        # HELP fb_ledger_failing 1 while the spending of tenants cannot be written.
        # HELP fb_quality_score Share of recent answers that passed the quality gates, 1 if none was checked.
        # HELP fb_records Finished requests by the result of recording them.
        # HELP fb_tenant_cost_usd Cost of all calls of the tenant.
        # HELP fb_tenant_limit_usd Spending limit of the tenant per UTC day or month.
        # HELP fb_tenant_reserved_usd Amount reserved for the tenant's calls in flight.
        # HELP fb_tenant_spent_usd Spending of the tenant in this UTC day or month.
        # HELP fb_tenant_tokens Tokens of all calls of the tenant, input and output.
        # TYPE fb_ledger_failing gauge
        # TYPE fb_quality_score gauge
        # TYPE fb_records counter
        # TYPE fb_tenant_cost_usd counter
        # TYPE fb_tenant_limit_usd gauge
        # TYPE fb_tenant_reserved_usd gauge
        # TYPE fb_tenant_spent_usd gauge
        # TYPE fb_tenant_tokens counter
        # UNIT fb_tenant_cost_usd usd
        # UNIT fb_tenant_limit_usd usd
        # UNIT fb_tenant_reserved_usd usd
        # UNIT fb_tenant_spent_usd usd
        fb_ledger_failing 1
        fb_quality_score{target="a/m"} 0.875
        fb_quality_score{target="b/m"} 1.0
        fb_records_total{result="lost"} 1
        fb_records_total{result="written"} 41
        fb_tenant_cost_usd_total{tenant="acme"} 0.0031
        fb_tenant_cost_usd_total{tenant="default"} 0.0
        fb_tenant_limit_usd{tenant="acme",window="day"} 20.0
        fb_tenant_limit_usd{tenant="default",window="month"} 0.1
        fb_tenant_reserved_usd{tenant="acme"} 7e-9
        fb_tenant_reserved_usd{tenant="default"} 0.0
        fb_tenant_spent_usd{tenant="acme",window="day"} 0.004
        fb_tenant_spent_usd{tenant="acme",window="month"} 5.25
        fb_tenant_spent_usd{tenant="default",window="day"} 0.0
        fb_tenant_spent_usd{tenant="default",window="month"} 0.0
        fb_tenant_tokens_total{tenant="acme"} 214
        fb_tenant_tokens_total{tenant="default"} 0"##]]
    .assert_eq(&read.join("\n"));
    assert_eq!(metrics.render(), counted);
    let none = Readings { tenants: Vec::new(), ledger_failing: None, quality: Vec::new(), records: None };
    assert_eq!(metrics.render_with(&none), counted);
    let well = Readings { ledger_failing: Some(false), ..none };
    assert!(metrics.render_with(&well).contains("\nfb_ledger_failing 0\n"), "a zero is rendered, too");
}

#[test]
fn coalesced_calls_are_counted_once() {
    let metrics = Metrics::new(&names());
    let rows: Vec<Attempt> = rows(["a", "a", "b"]).into_iter().chain(poor(["a", "b", "a"])).collect();
    request(&metrics, "default", None, &rows);
    let alone = series(&metrics);
    finished(&metrics, "default", None, true, &rows);
    let both = series(&metrics);
    let changed: Vec<_> = both.iter().filter(|line| !alone.contains(line)).collect();
    assert_eq!(
        changed,
        [
            r#"fb_cache_results_total{route="default",result="miss"} 2"#,
            r#"fb_primary_requests_total{route="default",target="a/m",role="fallback"} 2"#,
            r#"fb_request_duration_seconds_count{route="default"} 2"#,
            r#"fb_request_duration_seconds_sum{route="default"} 1.8"#,
            r#"fb_requests_total{route="default",outcome="answered",level="full",cache="miss"} 2"#,
            r#"fb_tenant_requests_total{tenant="default",outcome="answered"} 2"#,
        ]
    );
}

/// Renders a row of the README's table for each metric: name, type, labels, help.
fn table(metrics: &Metrics) -> Vec<String> {
    let text = metrics.render_with(&readings());
    let mut rows = Vec::new();
    for help in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = help.split_once(' ').unwrap();
        let kind = text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
        let shown = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let one = text.lines().find(|line| line.starts_with(name)).unwrap();
        let inside = one.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
        let labels: BTreeSet<&str> = inside
            .split("\",")
            .filter_map(|label| Some(label.split_once('=')?.0))
            .filter(|key| *key != "le")
            .collect();
        let labels: Vec<&str> = labels.into_iter().collect();
        rows.push(format!("| `{shown}` | {kind} | {} | {} |", labels.join(", "), help.trim_end_matches('.')));
    }
    rows.sort();
    rows
}

#[test]
fn readme_lists_exactly_the_metrics() {
    let metrics = Metrics::new(&names());
    everything(&metrics, "default", ["a", "a", "b"]);
    request(&metrics, "default", None, &poor(["a", "b", "a"]));
    metrics.count_alarm(&alarm("default", "acme"));
    let listed: Vec<&str> = README.lines().filter(|line| line.starts_with("| `fb_")).collect();
    assert_eq!(listed, table(&metrics), "the table should be\n{}", table(&metrics).join("\n"));
    let buckets = families::BUCKETS.map(|bound| bound.to_string()).join(", ");
    assert!(README.contains(&buckets), "the README should name the buckets {buckets}");
}
