//! Retry hints and request ids in response headers. Headers are read through a look-up function, so that this crate
//! does not depend on an HTTP library.

use std::time::{Duration, SystemTime};

use fb_core::RateLimits;

/// Maximum hint; longer ones are reduced to it. The longest period of a provider's quota is a day.
pub const MAX_HINT: Duration = Duration::from_secs(24 * 60 * 60);

/// A provider's hint about retrying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// The delay before a retry.
    pub after: Option<Duration>,
    /// Explicit permission or prohibition of a retry, which overrides the status.
    pub should_retry: Option<bool>,
}

/// Reads the hint: `x-should-retry`; `retry-after-ms`, then `retry-after` (seconds or HTTP date), then the reset time of
/// an exhausted rate limit. NaN, negative and past values count as missing; longer ones than [`MAX_HINT`] are reduced
/// to it.
///
/// `look_up` returns a header by its lower-case name. `now` is the wall-clock time, used for dates if the response has
/// no `date` header.
pub fn retry_hint<'a>(look_up: &dyn Fn(&str) -> Option<&'a str>, now: SystemTime) -> RetryHint {
    let should_retry = match look_up("x-should-retry").map(str::trim) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let now = date(look_up).unwrap_or(now);
    let after = look_up("retry-after-ms")
        .and_then(|ms| seconds(ms.trim().parse::<f64>().ok()? / 1e3))
        .or_else(|| retry_after(look_up("retry-after")?.trim(), now))
        .or_else(|| exhausted(look_up, now));
    RetryHint { after: after.map(|after| after.min(MAX_HINT)), should_retry }
}

fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    let at = httpdate::parse_http_date(value).ok()?;
    at.duration_since(now).ok().filter(|wait| !wait.is_zero())
}

/// The headers of the rate limits: what is left, the limit, and its reset time.
const LIMITS: [[&str; 3]; 7] = [
    ["x-ratelimit-remaining-requests", "x-ratelimit-limit-requests", "x-ratelimit-reset-requests"],
    ["x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"],
    ["x-ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-reset"],
    [
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-reset",
    ],
    [
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-reset",
    ],
    [
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-reset",
    ],
    [
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-reset",
    ],
];

/// Returns the time until all exhausted limits are reset.
fn exhausted<'a>(look_up: &dyn Fn(&str) -> Option<&'a str>, now: SystemTime) -> Option<Duration> {
    let waits = LIMITS.iter().filter_map(|[remaining, _, reset]| {
        let none_left = look_up(remaining)?.trim() == "0";
        if none_left { reset_in(look_up(reset)?.trim(), now) } else { None }
    });
    waits.max()
}

/// Returns true if a header of this lower-case name may state a rate limit. An answer without one has none.
pub fn is_rate_limit(name: &str) -> bool {
    name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-")
}

/// Reads the rate limits that an answer of any status states: those of OpenAI's dialect (`x-ratelimit-*`) and Anthropic's.
/// Values that cannot be read count as missing; reset times above [`MAX_HINT`] are reduced to it.
///
/// `look_up` and `now` are as for [`retry_hint`].
pub fn rate_limits<'a>(look_up: &dyn Fn(&str) -> Option<&'a str>, now: SystemTime) -> RateLimits {
    let now = date(look_up).unwrap_or(now);
    let parse = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    let mut limits = RateLimits::default();
    for [remaining, limit, reset] in LIMITS {
        let Some(remaining) = look_up(remaining).map(str::trim) else { continue };
        let resets = look_up(reset).and_then(|reset| reset_in(reset.trim(), now));
        let resets = resets.map(|resets| resets.min(MAX_HINT));
        if remaining == "0" {
            limits.exhausted = limits.exhausted.max(resets);
        }
        let limit = look_up(limit).and_then(|limit| parse(limit.trim())).filter(|limit| *limit > 0.0);
        let Some((remaining, limit)) = parse(remaining).zip(limit) else { continue };
        let share = (remaining / limit).min(1.0);
        if limits.left.is_none_or(|(least, _)| share < least) {
            limits.left = Some((share, resets.unwrap_or_default()));
        }
    }
    limits
}

/// Returns the time at which the answer was sent.
fn date<'a>(look_up: &dyn Fn(&str) -> Option<&'a str>) -> Option<SystemTime> {
    httpdate::parse_http_date(look_up("date")?.trim()).ok()
}

/// Parses a reset time: seconds, epoch seconds or milliseconds, Go duration, RFC 3339, or HTTP date.
fn reset_in(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = value.parse::<f64>() {
        let epoch = match number {
            n if n > 1e12 => n / 1e3,
            n if n > 1e9 => n,
            n => return seconds(n),
        };
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
        return seconds(epoch - now);
    }
    let at = rfc3339(value).or_else(|| httpdate::parse_http_date(value).ok());
    match at {
        Some(at) => at.duration_since(now).ok().filter(|wait| !wait.is_zero()),
        None => go_duration(value),
    }
}

/// Converts a number of seconds, if it is finite and at least a nanosecond.
fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok().filter(|wait| !wait.is_zero())
}

/// Parses a duration in Go's format, such as `6m0s`, `120ms` or `2m59.56s`.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        total += number
            * match &rest[digits..unit_end] {
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    seconds(total)
}

/// Prints a duration in Go's format, such as `6m0s`, `120ms` or `2m59.56s`, in minutes at most and rounded up to milliseconds.
pub fn print_go_duration(time: Duration) -> String {
    let millis = time.as_nanos().div_ceil(1_000_000);
    let (minutes, millis) = (millis / 60_000, millis % 60_000);
    let (seconds, fraction) = (millis / 1_000, format!(".{:03}", millis % 1_000));
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    match (minutes, seconds) {
        (0, 0) if millis > 0 => format!("{millis}ms"),
        (0, _) => format!("{seconds}{fraction}s"),
        _ => format!("{minutes}m{seconds}{fraction}s"),
    }
}

/// Parses a timestamp such as `2026-11-21T05:00:00Z`, with `Z` or an offset.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once(['T', 't'])?;
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let mut clock = time[..zone].splitn(3, ':').map(str::parse::<f64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let offset = match &time[zone..] {
        "Z" | "z" => 0.0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let offset = hours.parse::<f64>().ok()? * 3_600.0 + minutes.parse::<f64>().ok()? * 60.0;
            if zone.starts_with('-') { -offset } else { offset }
        }
    };
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 by the proleptic Gregorian calendar, counted from March so that the leap day comes last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_era =
        365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * from_march + 2) / 5 + day - 1;
    let days = day_of_era - 719_468;
    let in_day = hour * 3_600.0 + minute * 60.0 + second - offset;
    #[expect(clippy::cast_precision_loss, reason = "days of this era are far below 2^52")]
    let since = seconds(days as f64 * 86_400.0 + in_day)?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// Returns the provider's request id: the first known header with a non-empty value of at most 256 bytes.
pub fn request_id<'a>(look_up: &dyn Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    const NAMES: [&str; 6] =
        ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-generation-id", "cf-ray"];
    NAMES.iter().find_map(|name| look_up(name).map(str::trim).filter(|id| !id.is_empty() && id.len() <= 256))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21T05:00:00Z.
    const NOW: u64 = 1_795_237_200;

    fn hint(headers: &[(&str, &'static str)]) -> RetryHint {
        let look_up = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        retry_hint(&look_up, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[track_caller]
    fn check(headers: &[(&str, &'static str)], seconds: Option<f64>) {
        assert_eq!(hint(headers).after.map(|wait| wait.as_secs_f64()), seconds, "{headers:?}");
    }

    #[test]
    fn every_header_that_is_read_is_one_of_rate_limits() {
        assert!(LIMITS.as_flattened().iter().all(|name| is_rate_limit(name)));
        assert!(!is_rate_limit("x-request-id"));
    }

    #[test]
    fn rate_limits_are_read_from_both_dialects() {
        let limits = |headers: &[(&str, &'static str)]| {
            let look_up = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            rate_limits(&look_up, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
        };
        assert_eq!(limits(&[]), RateLimits::default());
        let openai = [
            ("x-ratelimit-limit-requests", "100"),
            ("x-ratelimit-remaining-requests", "50"),
            ("x-ratelimit-reset-requests", "30s"),
            ("x-ratelimit-limit-tokens", "30000"),
            ("x-ratelimit-remaining-tokens", "3000"),
            ("x-ratelimit-reset-tokens", "54s"),
        ];
        let left = Some((0.1, Duration::from_secs(54)));
        assert_eq!(
            limits(&openai),
            RateLimits::with(|limits| {
                limits.left = left;
                limits.exhausted = None;
            })
        );
        let anthropic = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T05:00:20Z"),
        ];
        let wait = Duration::from_secs(20);
        assert_eq!(
            limits(&anthropic),
            RateLimits::with(|limits| {
                limits.left = Some((0.0, wait));
                limits.exhausted = Some(wait);
            })
        );
        // A limit of zero or without a number means nothing; a reset in the past is over.
        let odd = [
            ("x-ratelimit-limit", "0"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795237100"),
            ("x-ratelimit-limit-tokens", "many"),
            ("x-ratelimit-remaining-tokens", "NaN"),
        ];
        assert_eq!(limits(&odd), RateLimits::default());
    }

    #[test]
    fn delay_is_read_from_all_formats() {
        check(&[], None);
        check(&[("retry-after-ms", "120.5"), ("retry-after", "9")], Some(0.1205));
        check(&[("retry-after", " 2 ")], Some(2.0));
        check(&[("retry-after", "0.5")], Some(0.5));
        check(&[("retry-after", "Sat, 21 Nov 2026 05:00:07 GMT")], Some(7.0));
        check(&[("retry-after", "Sat, 21 Nov 2026 04:59:00 GMT")], None);
        check(
            &[("retry-after", "Sat, 21 Nov 2026 05:00:07 GMT"), ("date", "Sat, 21 Nov 2026 05:00:02 GMT")],
            Some(5.0),
        );
        for garbage in ["-1", "NaN", "inf", "soon", "", "0", "-0", "1e-12", "1e300"] {
            let value: &'static str = garbage;
            check(&[("retry-after", value)], None);
        }
        check(&[("retry-after", "3600")], Some(3_600.0));
        check(&[("retry-after", "100000")], Some(86_400.0));
    }

    #[test]
    fn reset_counts_only_for_exhausted_limits() {
        check(&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "3s")], None);
        let forms: [(&'static str, f64); 8] = [
            ("1s", 1.0),
            ("120ms", 0.12),
            ("6m0s", 360.0),
            ("12", 12.0),
            ("1795237204", 4.0),
            ("1795237204500", 4.5),
            ("2026-11-21T05:00:30Z", 30.0),
            ("2026-11-21T06:00:30+01:00", 30.0),
        ];
        for (form, seconds) in forms {
            check(
                &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", form)],
                Some(seconds),
            );
        }
        check(
            &[
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", "2024-02-29T00:00:00Z"),
            ],
            None,
        );
        assert_eq!(go_duration("2m59.56s"), Some(Duration::from_millis(179_560)));
        for (millis, printed) in [
            (0, "0s"),
            (1, "1ms"),
            (120, "120ms"),
            (1_000, "1s"),
            (1_005, "1.005s"),
            (10_500, "10.5s"),
            (60_000, "1m0s"),
            (179_560, "2m59.56s"),
            (360_000, "6m0s"),
            (360_001, "6m0.001s"),
            (5_400_000, "90m0s"),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!(print_go_duration(time), printed);
            assert_eq!(go_duration(printed).unwrap_or_default(), time);
        }
        assert_eq!(print_go_duration(Duration::from_nanos(1_000_001)), "2ms", "not too early");
        for garbage in ["5x", "s", "1.2.3s", "--", "9999-99-99T00:00:00Z"] {
            let value: &'static str = garbage;
            check(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", value)], None);
        }
    }

    #[test]
    fn should_retry_is_read() {
        assert_eq!(hint(&[("x-should-retry", "false")]).should_retry, Some(false));
        assert_eq!(hint(&[("x-should-retry", "true")]).should_retry, Some(true));
        assert_eq!(hint(&[("x-should-retry", "maybe")]).should_retry, None);
    }

    #[test]
    fn empty_request_id_is_skipped() {
        let id = |headers: &[(&str, &'static str)]| {
            request_id(&|name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
        };
        assert_eq!(id(&[("x-request-id", "a"), ("request-id", "b")]), Some("a"));
        assert_eq!(id(&[("x-request-id", " "), ("request-id", "b")]), Some("b"));
        assert_eq!(id(&[("date", "b")]), None);
    }

    proptest! {
        #[test]
        fn no_value_panics_or_exceeds_the_maximum(
            value in prop_oneof![
                "[-+]?[0-9]{0,20}(\\.[0-9]{0,20})?(e[0-9]{1,3})?",
                "([0-9.]{1,9}(h|m|s|ms|us|µs|ns|x)){0,4}",
                "[0-9]{4,5}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]{1,9}(Z|[-+][0-9]{2}:[0-9]{2}|é)",
                "\\PC{0,40}",
            ],
            date in prop::option::of("\\PC{0,40}"),
        ) {
            for name in ["retry-after-ms", "retry-after", "x-ratelimit-reset"] {
                let look_up = |header: &str| match header {
                    "x-ratelimit-remaining" => Some("0"),
                    "date" => date.as_deref(),
                    header => (header == name).then_some(value.as_str()),
                };
                let hint = retry_hint(&look_up, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
                prop_assert!(hint.after.is_none_or(|wait| !wait.is_zero() && wait <= MAX_HINT), "{name}");
            }
        }
    }
}
