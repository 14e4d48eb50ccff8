use super::{CacheConfig, InvalidConfig};

#[track_caller]
fn check(config: &CacheConfig, field: &'static str, value: &str, expected: &'static str) {
    assert_eq!(config.validate(), Err(InvalidConfig { field, value: value.to_owned(), expected }));
}

#[test]
fn defaults_are_as_documented() {
    let config: CacheConfig = serde_json::from_str("{}").unwrap();
    let expected = CacheConfig { max_bytes: 268_435_456, max_entry_bytes: 1_048_576, tenant_share: 0.5 };
    assert_eq!(config, expected);
    assert_eq!(config.validate(), Ok(()));
    assert_eq!(config.tenant_quota(), 134_217_728);
}

#[test]
fn unknown_settings_are_rejected() {
    let error = serde_json::from_str::<CacheConfig>(r#"{"size": 1}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown field `size`, expected one of `max_bytes`, `max_entry_bytes`, `tenant_share` at line 1 column 7"
    );
}

#[test]
fn settings_out_of_range_are_rejected() {
    let good = CacheConfig::default();
    check(&CacheConfig { max_bytes: 0, ..good }, "max_bytes", "0", "at least 1");
    let entry = "at least 1, at most `max_bytes` and 2 GiB";
    check(&CacheConfig { max_entry_bytes: 0, ..good }, "max_entry_bytes", "0", entry);
    let config = CacheConfig { max_bytes: 10, max_entry_bytes: 11, ..good };
    check(&config, "max_entry_bytes", "11", entry);
    let config = CacheConfig { max_bytes: 1 << 40, max_entry_bytes: (1 << 31) + 1, ..good };
    check(&config, "max_entry_bytes", "2147483649", entry);
    for (share, value) in [(0.0, "0"), (1.1, "1.1"), (f64::NAN, "NaN")] {
        let config = CacheConfig { tenant_share: share, ..good };
        check(&config, "tenant_share", value, "above 0 and at most 1");
    }
}
