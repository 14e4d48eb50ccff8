use super::*;

#[test]
fn defaults_match_the_documentation() {
    let config = RetryConfig::default();
    let times = [config.base, config.throttled_base, config.cap];
    assert_eq!(times.map(|time| time.as_millis()), [250, 1_000, 8_000]);
    assert_eq!(
        (config.factor.to_string().as_str(), config.jitter, config.max_retries, config.max_hint_wait),
        ("2", Jitter::Full, None, None)
    );
    assert_eq!(config.validate(), Ok(()));
}

#[test]
fn invalid_settings_are_rejected_by_name() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut RetryConfig), expected: &str) {
        let mut config = RetryConfig::default();
        change(&mut config);
        let error = config.validate().unwrap_err().to_string();
        assert_eq!(error, format!("invalid retry config: {expected}"));
    }
    let long = Duration::from_secs(3_601);
    check(|c| c.base = long, "`base` is 3601s, expected at most an hour");
    check(|c| c.throttled_base = long, "`throttled_base` is 3601s, expected at most an hour");
    check(|c| c.cap = long, "`cap` is 3601s, expected at most an hour");
    check(|c| c.max_hint_wait = Some(long), "`max_hint_wait` is 3601s, expected at most an hour");
    check(|c| c.factor = 0.5, "`factor` is 0.5, expected 1 to 10");
    check(|c| c.factor = 10.5, "`factor` is 10.5, expected 1 to 10");
    check(|c| c.factor = f64::NAN, "`factor` is NaN, expected 1 to 10");
    check(|c| c.max_retries = Some(101), "`max_retries` is 101, expected 0 to 100");
}

#[test]
fn presets_have_the_numbers_of_common_advice() {
    // base, cap, retries, sum of the waits before jitter
    for (name, expected) in [
        ("classic", (1, 60, 3, 1 + 2 + 4)),
        ("backoff", (1, 3_600, 3, 1 + 2 + 4)),
        ("rate_limit", (5, 120, 5, 5 + 10 + 20 + 40 + 80)),
    ] {
        let config: RetryConfig = name.parse().unwrap();
        let retries = config.max_retries.unwrap();
        let seconds = [config.base, config.cap, config.total_wait(retries)].map(|time| time.as_secs());
        assert_eq!((seconds[0], seconds[1], retries, seconds[2]), expected, "{name}");
        assert_eq!((config.throttled_base, config.max_hint_wait), (config.base, Some(config.cap)), "{name}");
        assert_eq!((config.validate(), config.timeouts), (Ok(()), name != "rate_limit"), "{name}");
    }
    let timeout: RetryConfig = "timeout".parse().unwrap();
    assert_eq!(timeout, RetryConfig::timeout());
    assert_eq!((timeout.base.as_secs(), timeout.cap.as_secs(), timeout.max_retries), (2, 30, Some(3)));
    assert_eq!(timeout.total_wait(3), Duration::from_millis(2_000 + 3_000 + 4_500));
    let unknown = "ratelimit".parse::<RetryConfig>().unwrap_err();
    assert_eq!(
        unknown.to_string(),
        r#"invalid retry config: `preset` is "ratelimit", expected "classic", "backoff", "rate_limit" or "timeout""#
    );
}

#[cfg(feature = "serde")]
mod as_text {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    #[test]
    fn missing_fields_default_and_unknown_ones_are_rejected() {
        let read = |fields: &[(&'static str, &'static str)]| {
            RetryConfig::deserialize(MapDeserializer::<_, Error>::new(fields.iter().copied()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]), Ok(RetryConfig::default()));
        let base = Duration::from_millis(1_500);
        assert_eq!(
            read(&[("base", "1500ms"), ("cap", "8s")]),
            Ok(RetryConfig { base, ..RetryConfig::default() })
        );
        assert_eq!(read(&[("base", "5")]).unwrap_err(), "invalid value: string \"5\", expected a duration");
        assert_eq!(
            read(&[("bass", "1s")]).unwrap_err(),
            "unknown field `bass`, expected one of `base`, `throttled_base`, `curve`, `factor`, `cap`, \
             `jitter`, `max_hint_wait`, `max_retries`, `timeouts`"
        );
    }

    #[test]
    fn jitter_names_are_snake_case() {
        for (word, jitter) in
            [("full", Jitter::Full), ("decorrelated", Jitter::Decorrelated), ("none", Jitter::None)]
        {
            let word: serde::de::value::StrDeserializer<'_, Error> = word.into_deserializer();
            assert_eq!(Jitter::deserialize(word), Ok(jitter));
        }
    }
}
