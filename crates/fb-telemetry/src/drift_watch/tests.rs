use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{AttemptEnd, Next};

use super::*;
use crate::samples::{attempt, names, request, rows};

#[expect(clippy::disallowed_methods, reason = "the clock that a program gives")]
fn now() -> Instant {
    Instant::now()
}

/// What the watch said, as `route tenant`.
fn heard(feed: impl Fn(&DriftWatch)) -> Vec<String> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let on_alarm = move |alarm: &Alarm<'_>| {
        assert!(alarm.drifted.since.elapsed() < Duration::from_secs(60));
        ears.lock().push(format!("{} {}", alarm.route, alarm.tenant));
    };
    let watch = DriftWatch::new(&names(), DriftConfig::default(), now, on_alarm).unwrap();
    feed(&watch);
    let heard = heard.lock();
    heard.clone()
}

fn answers(watch: &DriftWatch, route: &str, tenant: Option<&str>, requests: u32) {
    let ok = attempt("a", AttemptEnd::Ok { usage: None, cost: None }, Next::Nothing);
    for _ in 0..requests {
        request(watch, route, tenant, std::slice::from_ref(&ok));
    }
}

fn fallbacks(watch: &DriftWatch, route: &str, tenant: Option<&str>, requests: u32) {
    for _ in 0..requests {
        request(watch, route, tenant, &rows(["a", "a", "b"]));
    }
}

#[test]
fn only_the_pair_that_drifts_is_named_and_once() {
    let pairs = [("default", None), ("default", Some("acme")), ("cheap", Some("acme"))];
    let told = heard(|watch| {
        for (route, tenant) in pairs {
            answers(watch, route, tenant, 300);
        }
        fallbacks(watch, "cheap", Some("acme"), 100);
        for (route, tenant) in pairs {
            answers(watch, route, tenant, 300);
        }
    });
    assert_eq!(told, ["cheap acme"]);
}

#[test]
fn unknown_names_are_watched_as_one() {
    let told = heard(|watch| {
        for n in 0..300 {
            answers(watch, &format!("route{n}"), Some(&format!("tenant{n}")), 1);
        }
        for n in 0..20 {
            fallbacks(watch, &format!("route{n}"), Some(&format!("tenant{n}")), 1);
        }
    });
    assert_eq!(told, ["other other"]);
}

#[test]
fn a_request_without_a_tenant_belongs_to_the_default_one() {
    let told = heard(|watch| {
        answers(watch, "default", None, 150);
        answers(watch, "default", Some("default"), 150);
        fallbacks(watch, "default", None, 20);
    });
    assert_eq!(told, ["default default"]);
}

#[test]
fn a_pair_takes_as_little_memory_as_documented() {
    assert!(size_of::<Pair>() <= 256, "{}", size_of::<Pair>());
}
