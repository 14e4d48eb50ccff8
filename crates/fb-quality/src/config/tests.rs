use super::*;

#[test]
fn nothing_is_checked_unless_set() {
    let config: QualityConfig = toml::from_str("").unwrap();
    assert_eq!(config, QualityConfig::default());
    let set = toml::from_str::<QualityConfig>("schema = true\nmin_chars = 3\nmax_loss = \"minor\"").unwrap();
    let expected = QualityConfig {
        schema: true,
        min_chars: Some(3),
        max_loss: MaxLoss::Minor,
        ..QualityConfig::default()
    };
    assert_eq!(set, expected);
}

#[test]
fn unknown_field_is_rejected() {
    let error = toml::from_str::<QualityConfig>("shema = true").unwrap_err().to_string();
    assert!(error.contains("unknown field `shema`"), "{error}");
}

#[test]
fn minimum_above_maximum_is_rejected() {
    let config = QualityConfig { min_chars: Some(9), max_chars: Some(8), ..QualityConfig::default() };
    let error = config.validate().unwrap_err().to_string();
    assert_eq!(error, "min_chars = 9: expected at most `max_chars`");
}
