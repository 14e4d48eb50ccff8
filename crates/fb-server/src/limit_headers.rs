//! Response headers with what is left of the limits of a tenant, in the form of a dialect.

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
    write(headers, &OPENAI_REQUESTS, allowances.requests.as_ref());
    write(headers, &OPENAI_TOKENS, allowances.tokens.as_ref());
}

fn write(headers: &mut HeaderMap, [limit, remaining, reset]: &Names, allowance: Option<&Allowance>) {
    let Some(allowance) = allowance else { return };
    let mut set = |name: &HeaderName, value| headers.insert(name, value);
    set(limit, HeaderValue::from(allowance.limit));
    set(remaining, HeaderValue::from(allowance.remaining));
    if let Ok(resets_in) = HeaderValue::try_from(print_go_duration(allowance.resets_in)) {
        set(reset, resets_in);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    }
}
