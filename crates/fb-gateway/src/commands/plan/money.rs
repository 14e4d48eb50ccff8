//! Amounts of money on the command line.

use fb::Money;

/// Decimals of a dollar: amounts are counted in nano-dollars.
const DECIMALS: usize = 9;

/// Parses US dollars such as `0.05`, without rounding.
pub(crate) fn parse_dollars(text: &str) -> Result<Money, String> {
    let invalid =
        || format!("expected US dollars such as 0.05, with at most {DECIMALS} decimals, got {text:?}");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<DECIMALS$}");
    if whole.is_empty() || part.len() > DECIMALS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    digits.parse().map(Money::from_nanos).map_err(|_too_large| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_parsed_without_rounding() {
        for (text, nanos) in [
            ("0", 0),
            ("2", 2_000_000_000),
            ("0.05", 50_000_000),
            ("1.", 1_000_000_000),
            ("0.000000001", 1),
            ("18446744073.709551615", u64::MAX),
        ] {
            assert_eq!(parse_dollars(text), Ok(Money::from_nanos(nanos)), "{text}");
        }
        for text in ["", ".5", "-1", "1e3", "$1", "0.0000000001", "18446744073.709551616", "1,5", "NaN"] {
            assert!(parse_dollars(text).is_err(), "{text}");
        }
    }
}
