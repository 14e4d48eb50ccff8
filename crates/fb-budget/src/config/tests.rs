use super::*;

fn read(text: &str) -> Limits {
    toml::from_str(text).unwrap()
}

#[track_caller]
fn check(text: &str, message: &str) {
    assert_eq!(read(text).validate("acme").unwrap_err().to_string(), message);
}

#[test]
fn empty_section_has_no_limits() {
    let expected = Limits {
        requests_per_minute: None,
        tokens_per_minute: None,
        usd_per_day: None,
        usd_per_month: None,
        warn_at: 0.8,
        tier: Tier::Standard,
        regions: None,
        data_class: None,
        allowed: None,
        keys: BTreeMap::new(),
    };
    assert_eq!(read(""), expected);
    assert_eq!(expected.validate("acme"), Ok(()));
}

#[test]
fn all_fields_are_read() {
    let limits = read(
        r#"
        requests_per_minute = 60
        tokens_per_minute = 100000
        usd_per_day = 2.5
        usd_per_month = 40
        warn_at = 0.5
        tier = "premium"
        regions = ["eu"]
        data_class = "health"
        allowed = ["local", "azure/gpt-5"]
        keys.web = { usd_per_day = 0.5 }
        keys.ci = {}
        "#,
    );
    let expected = Limits {
        requests_per_minute: Some(60),
        tokens_per_minute: Some(100_000),
        usd_per_day: Some(2.5),
        usd_per_month: Some(40.0),
        warn_at: 0.5,
        tier: Tier::Premium,
        regions: Some(vec!["eu".to_owned()]),
        data_class: Some("health".to_owned()),
        allowed: Some(vec!["local".to_owned(), "azure/gpt-5".to_owned()]),
        keys: BTreeMap::from([
            ("web".to_owned(), KeyLimits { usd_per_day: Some(0.5), ..KeyLimits::default() }),
            ("ci".to_owned(), KeyLimits::default()),
        ]),
    };
    assert_eq!(limits, expected);
}

#[test]
fn invalid_settings_are_rejected() {
    let at = "tenants.acme.";
    check("requests_per_minute = 0", &format!("{at}requests_per_minute = 0: expected 1 or more"));
    check("tokens_per_minute = 0", &format!("{at}tokens_per_minute = 0: expected 1 or more"));
    check("usd_per_day = -1", &format!("{at}usd_per_day = -1: expected 0 to 1000000000"));
    check("usd_per_month = nan", &format!("{at}usd_per_month = NaN: expected 0 to 1000000000"));
    check("warn_at = 0", &format!("{at}warn_at = 0: expected above 0, at most 1"));
    check(
        "keys.web = { tokens_per_minute = 0 }",
        &format!("{at}keys.web.tokens_per_minute = 0: expected 1 or more"),
    );
    check("keys.\"a/b\" = {}", &format!("{at}keys.a/b = \"a/b\": expected a name without `/`"));
    assert!(read("").validate("acme/web").is_err() && read("").validate("").is_err());
    assert!(toml::from_str::<Limits>("usd_per_year = 1").is_err());
    assert!(toml::from_str::<Limits>("keys.web = { tier = \"premium\" }").is_err());
}

#[test]
fn dollars_become_whole_nano_dollars() {
    assert_eq!(money(0.1), Money::from_nanos(100_000_000));
    assert_eq!(money(0.000_000_000_5), Money::from_nanos(1));
}
