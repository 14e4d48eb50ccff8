use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{AttemptEnd, Next};

use super::*;
use crate::samples::{attempt, names, request, rows};

#[expect(clippy::disallowed_methods, reason = "the clock of the embedding program")]
fn now() -> Instant {
    Instant::now()
}

/// Returns the alarms, each as `route tenant`.
fn alarms(feed: impl Fn(&DriftWatch)) -> Vec<String> {
    let alarms = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&alarms);
    let on_alarm = move |alarm: &Alarm<'_>| {
        assert!(alarm.drifted.since.elapsed() < Duration::from_secs(60));
        sink.lock().push(format!("{} {}", alarm.route, alarm.tenant));
    };
    let watch = DriftWatch::new(&names(), DriftConfig::default(), now, on_alarm).unwrap();
    feed(&watch);
    let alarms = alarms.lock();
    alarms.clone()
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
fn drifting_pair_raises_one_alarm() {
    let pairs = [("default", None), ("default", Some("acme")), ("cheap", Some("acme"))];
    let alarms = alarms(|watch| {
        for (route, tenant) in pairs {
            answers(watch, route, tenant, 300);
        }
        fallbacks(watch, "cheap", Some("acme"), 100);
        for (route, tenant) in pairs {
            answers(watch, route, tenant, 300);
        }
    });
    assert_eq!(alarms, ["cheap acme"]);
}

#[test]
fn unknown_names_are_watched_together() {
    let alarms = alarms(|watch| {
        for n in 0..300 {
            answers(watch, &format!("route{n}"), Some(&format!("tenant{n}")), 1);
        }
        for n in 0..20 {
            fallbacks(watch, &format!("route{n}"), Some(&format!("tenant{n}")), 1);
        }
    });
    assert_eq!(alarms, ["other other"]);
}

#[test]
fn route_configured_at_run_time_is_watched_by_itself() {
    let alarms = alarms(|watch| {
        let routes = ["default".to_owned(), "new".to_owned()];
        watch.on_event(&Event::Reconfigured { routes: &routes, targets: &[] });
        answers(watch, "default", None, 300);
        answers(watch, "new", Some("acme"), 300);
        fallbacks(watch, "new", Some("acme"), 20);
    });
    assert_eq!(alarms, ["new acme"]);
}

#[test]
fn request_without_a_tenant_belongs_to_the_default_tenant() {
    let alarms = alarms(|watch| {
        answers(watch, "default", None, 150);
        answers(watch, "default", Some("default"), 150);
        fallbacks(watch, "default", None, 20);
    });
    assert_eq!(alarms, ["default default"]);
}

#[test]
fn pair_fits_in_the_documented_memory() {
    assert!(size_of::<Pair>() <= 256, "{}", size_of::<Pair>());
}
