//! Behaviours 14 and 15: invalid settings are rejected; 26 and 53: open times stay within their maximum.

use super::*;

fn with(change: impl FnOnce(&mut BreakerConfig)) -> BreakerConfig {
    let mut config = BreakerConfig::default();
    change(&mut config);
    config
}

#[test]
fn invalid_settings_are_rejected_by_name() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut BreakerConfig), expected: &str) {
        let refused = with(change).validate().unwrap_err().to_string();
        assert_eq!(refused, format!("invalid breaker config: {expected}"));
    }
    let zero = Duration::ZERO;

    check(|c| c.consecutive = Some(0), "`consecutive` is 0, expected at least 1");
    check(|c| c.open.jitter = 0.51, "`open.jitter` is 0.51, expected 0 to 0.5");
    check(|c| c.window.span = zero, "`window.span` is 0ns, expected more than no time");
    check(|c| c.window.buckets = 0, "`window.buckets` is 0, expected 1 to 1000");
    check(|c| c.window.buckets = 1001, "`window.buckets` is 1001, expected 1 to 1000");
    check(|c| c.failure_rate = 0.0, "`failure_rate` is 0.0, expected above 0 and at most 1");
    check(|c| c.failure_rate = -0.5, "`failure_rate` is -0.5, expected above 0 and at most 1");
    check(|c| c.failure_rate = 1.01, "`failure_rate` is 1.01, expected above 0 and at most 1");
    check(|c| c.failure_rate = f64::NAN, "`failure_rate` is NaN, expected above 0 and at most 1");
    check(|c| c.window.calls = Some(0), "`window.calls` is 0, expected 1 to 1000");
    check(|c| c.window.calls = Some(1001), "`window.calls` is 1001, expected 1 to 1000");
    check(|c| c.slow.rate = 0.0, "`slow.rate` is 0.0, expected above 0 and at most 1");
    check(|c| c.slow.rate = f64::NAN, "`slow.rate` is NaN, expected above 0 and at most 1");
    check(|c| c.ramp.from = 1.1, "`ramp.from` is 1.1, expected 0 to 1");
    check(|c| c.min_calls = 0, "`min_calls` is 0, expected at least 1");
    check(|c| c.half_open.permits = 0, "`half_open.permits` is 0, expected at least 1");
    check(|c| c.half_open.successes = 0, "`half_open.successes` is 0, expected at least 1");
    check(|c| c.half_open.failures = 0, "`half_open.failures` is 0, expected at least 1");
    check(|c| c.half_open.lease = zero, "`half_open.lease` is 0ns, expected more than no time");
    check(|c| c.open.base = Duration::from_micros(1), "`open.base` is 1µs, expected at least 1ms");
    check(|c| c.open.factor = 0.5, "`open.factor` is 0.5, expected a number of at least 1");
    check(|c| c.open.factor = f64::INFINITY, "`open.factor` is inf, expected a number of at least 1");
}

#[test]
fn longer_base_is_the_maximum() {
    let open = OpenConfig { base: Duration::from_secs(30), ..OpenConfig::default() };
    assert_eq!([0, 1, 9].map(|step| open.backoff(step).as_secs()), [30, 30, 30]);
    assert_eq!(with(|c| c.open = open).validate(), Ok(()));
}

#[test]
fn extreme_settings_are_accepted() {
    let extreme = with(|c| {
        c.consecutive = None;
        c.window = WindowConfig { span: Duration::MAX, buckets: 1, calls: None };
        c.failure_rate = 1.0;
        c.slow = SlowConfig { first: Some(Duration::MAX), total: Some(Duration::ZERO), rate: 1.0 };
        c.ramp = RampConfig { span: Duration::MAX, from: 0.0 };
        c.min_calls = u32::MAX;
        c.half_open = HalfOpenConfig { permits: u32::MAX, successes: 9, failures: 9, lease: Duration::MAX };
        c.open = OpenConfig { base: Duration::MAX, factor: f64::MAX, max: Duration::MAX, jitter: 0.5 };
    });
    assert_eq!(extreme.validate(), Ok(()));
}

#[test]
fn open_time_doubles_up_to_its_maximum() {
    let open = OpenConfig::default();
    let seconds: Vec<u64> = [0, 1, 2, 3, u32::MAX].map(|step| open.backoff(step).as_secs()).into();
    assert_eq!(seconds, [5, 10, 15, 15, 15]);

    let endless = OpenConfig { max: Duration::MAX, ..open };
    assert_eq!(endless.backoff(u32::MAX), Duration::MAX);
}

#[test]
fn jitter_spreads_the_second_half_of_the_open_time() {
    let open = OpenConfig::default();
    assert_eq!(open.jittered(1, 0.0), Duration::from_secs(5));
    assert_eq!(open.jittered(1, 0.5), Duration::from_millis(7_500));
    assert_eq!(open.jittered(1, 1.0), Duration::from_secs(10));
    let exact = OpenConfig { jitter: 0.0, ..open };
    assert_eq!([0.0, 0.5, 1.0].map(|random| exact.jittered(1, random)), [Duration::from_secs(10); 3]);
}

#[test]
fn presets_have_the_numbers_of_common_advice() {
    // consecutive failures, seconds open, probes, successful probes
    for (name, expected) in
        [("classic", (5, 60, 3, 2)), ("classic-30s", (5, 30, 3, 3)), ("classic-single", (5, 60, 1, 1))]
    {
        let config: BreakerConfig = name.parse().unwrap();
        let BreakerConfig { half_open: HalfOpenConfig { permits, successes, .. }, .. } = config;
        let [shortest, longest] =
            [(0, 0.0), (9, 1.0)].map(|(step, random)| config.open.jittered(step, random));
        assert_eq!((config.consecutive.unwrap(), longest.as_secs(), permits, successes), expected, "{name}");
        assert_eq!((shortest, config.validate()), (longest, Ok(())), "{name}");
    }
    assert_eq!(
        "clasic".parse::<BreakerConfig>().unwrap_err().to_string(),
        r#"invalid breaker config: `preset` is "clasic", expected "classic", "classic-30s" or "classic-single""#
    );
}

#[cfg(feature = "serde")]
mod as_text {
    use serde::Deserialize;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    #[test]
    fn missing_fields_default_and_unknown_ones_are_rejected() {
        let read = |fields: &[(&'static str, &'static str)]| {
            OpenConfig::deserialize(MapDeserializer::<_, Error>::new(fields.iter().copied()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]), Ok(OpenConfig::default()));
        let base = Duration::from_millis(1_500);
        assert_eq!(
            read(&[("base", "1500ms"), ("max", "15s")]),
            Ok(OpenConfig { base, ..OpenConfig::default() })
        );
        assert_eq!(
            read(&[("bass", "1s")]).unwrap_err(),
            "unknown field `bass`, expected one of `base`, `factor`, `max`, `jitter`"
        );
        assert_eq!(read(&[("base", "5")]).unwrap_err(), "invalid value: string \"5\", expected a duration");
    }
}
