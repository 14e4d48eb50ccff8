use super::*;

const BEST: Price = Price { input: 2.0, output: 10.0 };

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

fn ids() -> [TargetId; 2] {
    ["openai/large", "local/small"].map(|name| name.parse().unwrap())
}

fn price(target: &TargetId) -> Option<Price> {
    match target.model() {
        "large" => Some(BEST),
        "small" => Some(Price { input: 0.2, output: 1.0 }),
        _ => None,
    }
}

#[test]
fn savings_are_exact_to_the_nano_dollar() {
    let [large, small] = &ids();
    let requests = [
        ServedRequest { target: large, usage: usage(1_000, 100) },
        ServedRequest { target: small, usage: usage(1_000, 100) },
        ServedRequest { target: small, usage: usage(1, 0) },
    ];
    let found = savings(&requests, price, BEST).unwrap();
    let expected =
        Savings { spent: Money::from_nanos(3_300_200), against_best: Money::from_nanos(6_002_000) };
    assert_eq!(found, expected);
    assert_eq!(found.saved().nanos(), 2_701_800);
    assert_eq!(found.saved_percent(), Some(270_180_000.0 / 6_002_000.0));
}

#[test]
fn higher_cost_gives_negative_savings() {
    let [large, _] = &ids();
    let request = ServedRequest { target: large, usage: usage(0, 10) };
    let found = savings(&[request], price, Price { input: 2.0, output: 4.0 }).unwrap();
    assert_eq!((found.saved(), found.saved_percent()), (Money::ZERO, Some(-150.0)));
}

#[test]
fn free_best_model_gives_no_percentage() {
    assert_eq!(savings(&[], price, BEST).unwrap().saved_percent(), None);
    let free = Price { input: 0.0, output: 0.0 };
    let [large, _] = &ids();
    let request = ServedRequest { target: large, usage: usage(10, 10) };
    assert_eq!(savings(&[request], price, free).unwrap().saved_percent(), None);
}

#[test]
fn text_tokens_are_estimated() {
    let [large, _] = &ids();
    let expected = ServedRequest { target: large, usage: usage(5, 30) };
    assert_eq!(ServedRequest::from_text(large, "why is the sky blue?", 30), expected);
}

#[test]
fn target_without_a_price_is_an_error() {
    let other = "a/other".parse().unwrap();
    let request = ServedRequest { target: &other, usage: usage(1, 1) };
    let error = savings(&[request], price, BEST).unwrap_err();
    assert_eq!(error.to_string(), "target a/other has no price");
}
