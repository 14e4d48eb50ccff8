//! Durations in configuration: a whole number and a unit, such as `500ms`, `30s` or `5m`.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Units and their nanoseconds, largest first, so that the first which divides a duration prints it.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}", print(*duration)))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        let expected = "a whole number with a unit, such as \"500ms\", \"30s\" or \"5m\"";
        D::Error::custom(format_args!("invalid duration {text:?}, expected {expected}"))
    })
}

fn print(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let exact = UNITS.iter().find(|(_, size)| nanos != 0 && nanos.is_multiple_of(*size));
    exact.map_or_else(|| "0s".to_owned(), |(unit, size)| format!("{}{unit}", nanos / size))
}

fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = number.parse::<u128>().ok()?.checked_mul(*size)?;
    let secs = u64::try_from(nanos / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(secs, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for (text, millis) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000)]
        {
            assert_eq!(print(Duration::from_millis(millis)), text);
            assert_eq!(parse(text), Some(Duration::from_millis(millis)));
        }
        for exact in [Duration::from_nanos(1), Duration::from_micros(1_500), Duration::MAX] {
            assert_eq!(parse(&print(exact)), Some(exact));
        }
    }

    #[test]
    fn anything_but_a_whole_number_and_a_unit_is_refused() {
        for text in ["", "30", "s", "1.5s", "-1s", "30 s", "30S", "1d", "99999999999999999999999h"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
