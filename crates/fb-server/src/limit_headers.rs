//! Response headers with what is left of the limits of a tenant, in the form of a dialect.

use std::time::{Duration, SystemTime};

use fb::{Allowance, Allowances};
use fb_wire::headers::print_go_duration;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The names of the limit, of what is left of it, and of its reset time.
type Names = [HeaderName; 3];

static OPENAI_REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static OPENAI_TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Adds the headers of OpenAI: the reset time is a duration.
pub(crate) fn write_openai(headers: &mut HeaderMap, allowances: &Allowances) {
    write(headers, &OPENAI_REQUESTS, allowances.requests.as_ref(), print_go_duration);
    write(headers, &OPENAI_TOKENS, allowances.tokens.as_ref(), print_go_duration);
}

static ANTHROPIC_REQUESTS: Names = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
static ANTHROPIC_TOKENS: Names = [
    HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
];

/// Adds the headers of Anthropic: the reset time is a time of day, rounded up to seconds.
pub(crate) fn write_anthropic(headers: &mut HeaderMap, allowances: &Allowances, now: SystemTime) {
    let print = |resets_in: Duration| {
        let whole = Duration::from_secs(resets_in.as_secs() + u64::from(resets_in.subsec_nanos() > 0));
        humantime::format_rfc3339_seconds(now + whole).to_string()
    };
    write(headers, &ANTHROPIC_REQUESTS, allowances.requests.as_ref(), print);
    write(headers, &ANTHROPIC_TOKENS, allowances.tokens.as_ref(), print);
}

fn write(
    headers: &mut HeaderMap,
    [limit, remaining, reset]: &Names,
    allowance: Option<&Allowance>,
    print: impl Fn(Duration) -> String,
) {
    let Some(allowance) = allowance else { return };
    let mut set = |name: &HeaderName, value| headers.insert(name, value);
    set(limit, HeaderValue::from(allowance.limit));
    set(remaining, HeaderValue::from(allowance.remaining));
    if let Ok(resets_in) = HeaderValue::try_from(print(allowance.resets_in)) {
        set(reset, resets_in);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn limit_that_is_not_set_has_no_header() {
        let allowance = |limit, remaining, millis| {
            Some(Allowance { limit, remaining, resets_in: Duration::from_millis(millis) })
        };
        let print = |allowances: Allowances| {
            let mut headers = HeaderMap::new();
            write_openai(&mut headers, &allowances);
            let lines = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            lines.collect::<Vec<_>>().join("\n")
        };
        let requests = allowance(60, 59, 1_000);
        let tokens = allowance(200_000, 150_000, 65_000);
        expect![[r#"
            x-ratelimit-limit-requests: 60
            x-ratelimit-remaining-requests: 59
            x-ratelimit-reset-requests: 1s
            x-ratelimit-limit-tokens: 200000
            x-ratelimit-remaining-tokens: 150000
            x-ratelimit-reset-tokens: 1m5s"#]]
        .assert_eq(&print(Allowances { requests, tokens }));
        expect![[r#"
            x-ratelimit-limit-requests: 60
            x-ratelimit-remaining-requests: 59
            x-ratelimit-reset-requests: 1s"#]]
        .assert_eq(&print(Allowances { requests, tokens: None }));
        assert_eq!(print(Allowances::default()), "");

        let mut headers = HeaderMap::new();
        let allowances = Allowances { requests: allowance(60, 59, 1_500), tokens: None };
        write_anthropic(&mut headers, &allowances, SystemTime::UNIX_EPOCH);
        assert_eq!(headers["anthropic-ratelimit-requests-reset"], "1970-01-01T00:00:02Z");
        assert_eq!(
            (headers["anthropic-ratelimit-requests-remaining"].as_bytes(), headers.len()),
            (&b"59"[..], 3)
        );
    }
}
