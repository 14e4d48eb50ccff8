use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;

use super::*;

fn target(name: &str) -> TargetId {
    name.parse().unwrap()
}

fn prices(text: &str) -> BTreeMap<String, PriceConfigs> {
    toml::from_str(text).unwrap()
}

/// Noon of the given day.
fn day(date: &str) -> SystemTime {
    let noon: Timestamp = format!("{date}T12:00:00Z").parse().unwrap();
    noon.into()
}

#[track_caller]
fn check(text: &str, message: &str) {
    assert_eq!(PriceBook::new(&prices(text)).unwrap_err().to_string(), message);
}

fn usd(input: u64, output: u64) -> TokenPrices {
    let input = input * 1_000_000_000;
    TokenPrices::flat(Rates {
        input,
        cached_input: input,
        cache_write: input,
        output: output * 1_000_000_000,
    })
}

#[test]
fn configured_prices_precede_and_apply_on_their_days() {
    let config = prices(
        r#"
        [["lab/m"]]
        input = 1
        output = 2
        [["lab/m"]]
        input = 3
        output = 4
        from = "2026-03-01"
        until = "2026-04-01"
        ["openai/gpt-4o"]
        input = 7
        output = 8
        until = "2026-03-01"
        "#,
    );
    let book = PriceBook::new(&config).unwrap();
    let lab = |date| book.prices(&target("lab/m"), "none", day(date));
    assert_eq!(lab("2026-02-28"), Some(usd(1, 2)));
    assert_eq!(lab("2026-03-01"), Some(usd(3, 4)));
    assert_eq!(lab("2026-03-31"), Some(usd(3, 4)));
    assert_eq!(lab("2026-04-01"), Some(usd(1, 2)));
    let openai = |date| book.prices(&target("openai/gpt-4o"), "none", day(date));
    assert_eq!(openai("2026-02-28"), Some(usd(7, 8)));
    assert_eq!(openai("2026-03-01"), None);
    assert_eq!(book.prices(&target("other/m"), "none", day("2026-03-01")), None);
}

#[test]
fn cached_tokens_may_have_their_own_price() {
    let config = prices("\"a/m\" = { input = 3, output = 15, cached_input = 0.3, cache_write = 3.75 }");
    let book = PriceBook::new(&config).unwrap();
    let expected = Rates {
        input: 3_000_000_000,
        cached_input: 300_000_000,
        cache_write: 3_750_000_000,
        output: 15_000_000_000,
    };
    let prices = book.prices(&target("a/m"), "none", UNIX_EPOCH + Duration::from_secs(1));
    assert_eq!(prices, Some(TokenPrices::flat(expected)));
}

#[test]
fn invalid_prices_are_rejected() {
    let field = |name: &str| format!("prices.\"a/m\".{name}");
    check("\"a/m\" = { input = -1, output = 1 }", &field("input = -1: expected 0 to 1000000"));
    check("\"a/m\" = { input = 1, output = inf }", &field("output = inf: expected 0 to 1000000"));
    check(
        "\"a/m\" = { input = 1, output = 1, from = \"2026-02-01\", until = \"2026-02-01\" }",
        &field("until = 2026-02-01: expected a day after `from`"),
    );
    check("gpt = { input = 1, output = 1 }", "prices = \"gpt\": expected PROVIDER/MODEL");
    let unknown = toml::from_str::<BTreeMap<String, PriceConfigs>>("\"a/m\" = { inptu = 1, output = 1 }");
    assert!(unknown.unwrap_err().to_string().contains("unknown field `inptu`"));
}

#[cfg(feature = "prices")]
#[test]
fn builtin_list_has_common_models() {
    let book = PriceBook::default();
    let prices = |name, kind| book.prices(&target(name), kind, day("2026-11-01"));
    // OpenAI's page: 2.50 in, 1.25 cached, 10.00 out.
    let gpt_4o = Rates {
        input: 2_500_000_000,
        cached_input: 1_250_000_000,
        cache_write: 2_500_000_000,
        output: 10_000_000_000,
    };
    assert_eq!(prices("work/gpt-4o", "openai"), Some(TokenPrices::flat(gpt_4o)));
    assert_eq!(prices("openai/no-such-model", "openai"), None);
    assert_eq!(prices("local/llama3", "ollama"), None);
}

#[cfg(feature = "prices")]
#[test]
fn builtin_step_is_exact_to_the_token() {
    // Gemini 2.5 Pro: 1.25 in and 10 out, 2.50 and 15 for prompts of more than 200,000 tokens.
    let prices =
        PriceBook::default().prices(&target("g/gemini-2.5-pro"), "google", day("2026-11-01")).unwrap();
    let pair = |input| (prices.rates(input).input, prices.rates(input).output);
    assert_eq!(pair(200_000), (1_250_000_000, 10_000_000_000));
    assert_eq!(pair(200_001), (2_500_000_000, 15_000_000_000));
}
