use std::time::Duration;

use fb_core::Price;

use super::*;
use crate::{HedgeAfter, Router};

fn parse(text: &str) -> Result<RouterConfig, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
}

#[test]
fn every_setting_is_read() {
    let text = r#"
        strategy = "hedged"
        race = { width = 2 }
        hedge = { after = "800ms", min = "20ms", budget = 0.1, warm_up = 50 }
        sticky = { by = "team" }
    "#;
    let expected = RouterConfig {
        strategy: Strategy::Hedged,
        race: RaceConfig { width: Some(2) },
        hedge: HedgeConfig {
            after: HedgeAfter::Time(Duration::from_millis(800)),
            min: Duration::from_millis(20),
            budget: 0.1,
            warm_up: 50,
        },
        sticky: StickyConfig { by: StickyBy::Tag("team".to_owned()) },
    };
    assert_eq!(parse(text), Ok(expected.clone()));
    let printed = serde_json::to_string(&expected).unwrap();
    assert_eq!(serde_json::from_str::<RouterConfig>(&printed).unwrap(), expected);
}

#[test]
fn missing_settings_have_defaults() {
    let default = RouterConfig::default();
    assert_eq!(parse(""), Ok(default.clone()));
    let text = r#"
        strategy = "priority"
        hedge = { after = "p95", min = "50ms", budget = 0.05, warm_up = 100 }
        sticky = { by = "user" }
    "#;
    assert_eq!(parse(text), Ok(default.clone()));
    let printed = serde_json::to_string(&default).unwrap();
    assert_eq!(serde_json::from_str::<RouterConfig>(&printed).unwrap(), default);
}

#[test]
fn every_strategy_is_read_by_name() {
    use Strategy::{Cheapest, Fastest, Hedged, LeastBusy, Priority, Race, Sticky, Weighted};
    for (strategy, word) in [
        (Priority, "priority"),
        (Weighted, "weighted"),
        (Fastest, "fastest"),
        (Cheapest, "cheapest"),
        (LeastBusy, "least_busy"),
        (Sticky, "sticky"),
        (Race, "race"),
        (Hedged, "hedged"),
    ] {
        let config = RouterConfig { strategy, ..RouterConfig::default() };
        assert_eq!(parse(&format!("strategy = \"{word}\"")), Ok(config));
    }
}

#[test]
fn invalid_settings_are_rejected() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = match parse(text) {
            Ok(config) => Router::new(config).unwrap_err().to_string(),
            Err(error) => error,
        };
        assert_eq!(error, expected, "{text}");
    }
    check("race = { width = 1 }", "race.width = 1: expected 2 or more");
    check("hedge = { budget = 1.5 }", "hedge.budget = 1.5: expected 0 to 1");
    check("hedge = { budget = nan }", "hedge.budget = NaN: expected 0 to 1");
    check("hedge = { after = \"2h\" }", "hedge.after = 7200s: expected at most an hour");
    check("hedge = { min = \"2h\" }", "hedge.min = 7200s: expected at most an hour");
    check("hedge = { after = \"p99\" }", "expected \"p95\" or a time such as \"800ms\"");
    check("sticky = { by = \"\" }", "sticky.by = \"\": expected user, session or the name of a tag");
}

#[test]
fn invalid_targets_are_rejected() {
    let (a, b) = ("a/m".parse().unwrap(), "b/m".parse().unwrap());
    let price = |input| Some(Price { input, output: 1.0 });
    let (priced, bare) = (Candidate { price: price(1.0), ..Candidate::new(&a) }, Candidate::new(&b));
    let check = |strategy, candidate: Candidate<'_>, expected: Result<(), &str>| {
        let config = RouterConfig { strategy, ..RouterConfig::default() };
        let found = config.check(&[priced.clone(), candidate]).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    };
    check(Strategy::Priority, bare.clone(), Ok(()));
    check(
        Strategy::Cheapest,
        bare.clone(),
        Err("target b/m: `price` is missing, expected a price: the strategy is cheapest"),
    );
    let negative = Candidate { price: price(-1.0), ..bare.clone() };
    check(Strategy::Cheapest, negative, Err("target b/m: `price` is -1 / 1, expected not negative"));
    for (weight, printed) in [(0.0, "0"), (-1.0, "-1"), (f64::NAN, "NaN"), (2e6, "2000000")] {
        let expected = format!("target b/m: `weight` is {printed}, expected more than 0, at most 1000000");
        check(Strategy::Weighted, Candidate { weight, ..bare.clone() }, Err(&expected));
    }
}
