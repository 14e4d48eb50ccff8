//! Request headers that set options of one request.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fb::{CacheControl, InvalidRequest, Money, Options};
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, HeaderName},
};

use crate::auth::Caller;

/// Maximum number of tags of a request.
const MAX_TAGS: usize = 16;
/// Maximum length of a tag's name or value, in bytes.
const MAX_TAG_LENGTH: usize = 128;
/// Largest accepted `x-fb-max-cost`: a million dollars, in nano-dollars.
const MAX_COST: f64 = 1e15;

/// Returns the options that the headers set, with the tenant of the caller; `None` if there are none.
///
/// # Errors
///
/// Returns an error that names the header, its value and the expected format.
pub(crate) fn options(
    headers: &HeaderMap,
    caller: Option<&Caller>,
) -> Result<Option<Options>, InvalidRequest> {
    let is_option = |name: &HeaderName| name == CACHE_CONTROL || name.as_str().starts_with("x-fb-");
    if caller.is_none() && !headers.keys().any(is_option) {
        return Ok(None);
    }
    let (tenant, key) =
        caller.map_or((None, None), |caller| (Some(Arc::clone(&caller.tenant)), caller.key.clone()));
    let mut options = Options { tenant, key, cache: cache(headers), ..Options::default() };
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("x-fb-")) {
        let name = name.as_str();
        let text = text(name, value)?;
        match name {
            "x-fb-prefer" => options.prefer = Some(text.to_owned()),
            "x-fb-timeout" => options.timeout = Some(duration(name, text)?),
            "x-fb-category" => options.category = Some(text.to_owned()),
            "x-fb-allow-degraded" => options.refuse_degraded = !flag(name, text)?,
            "x-fb-session" => options.session = Some(text.to_owned()),
            "x-fb-tags" => options.tags = tags(name, text)?,
            "x-fb-regions" => options.rules.regions = Some(list(text)),
            "x-fb-data-class" => options.rules.data_class = Some(text.to_owned()),
            "x-fb-allowed" => options.rules.allowed = Some(list(text)),
            "x-fb-max-cost" => options.rules.ceiling = Some(money(name, text)?),
            // Headers of later versions, and response headers that a client sent back.
            _ => {}
        }
    }
    Ok(Some(options))
}

fn invalid(name: &str, value: &str, expected: &str) -> InvalidRequest {
    let quoted: String = value.chars().take(64).collect();
    InvalidRequest::field(name, format!("{name}: {quoted:?}; expected {expected}"))
}

fn text<'a>(name: &str, value: &'a HeaderValue) -> Result<&'a str, InvalidRequest> {
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() {
        return Err(invalid(name, &String::from_utf8_lossy(value.as_bytes()), "printable ASCII"));
    }
    Ok(text)
}

fn cache(headers: &HeaderMap) -> CacheControl {
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let has = |name: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(name));
    match () {
        () if has("no-store") => CacheControl::NoStore,
        () if has("no-cache") => CacheControl::NoCache,
        () => CacheControl::Usual,
    }
}

fn duration(name: &str, text: &str) -> Result<Duration, InvalidRequest> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = seconds.or_else(|| humantime::parse_duration(text).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| invalid(name, text, "a time above 0 such as 1500ms, or seconds such as 1.5"))
}

fn flag(name: &str, text: &str) -> Result<bool, InvalidRequest> {
    text.to_ascii_lowercase().parse().map_err(|_error| invalid(name, text, "true or false"))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(ToOwned::to_owned).collect()
}

fn tags(name: &str, text: &str) -> Result<BTreeMap<String, String>, InvalidRequest> {
    let expected = "at most 16 of name=value, separated by commas, each of at most 128 letters";
    let pairs: Option<BTreeMap<String, String>> = text
        .split(',')
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let fits = !name.is_empty() && name.len() <= MAX_TAG_LENGTH && value.len() <= MAX_TAG_LENGTH;
            fits.then(|| (name.to_owned(), value.to_owned()))
        })
        .collect();
    pairs.filter(|tags| tags.len() <= MAX_TAGS).ok_or_else(|| invalid(name, text, expected))
}

fn money(name: &str, text: &str) -> Result<Money, InvalidRequest> {
    let nanos =
        text.parse::<f64>().ok().map(|usd| usd * 1e9).filter(|nanos| (0.0..=MAX_COST).contains(nanos));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^15")]
    let nanos = nanos.map(|nanos| Money::from_nanos(nanos.round() as u64));
    nanos.ok_or_else(|| invalid(name, text, "US dollars, 0 to 1000000, such as 0.05"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Result<Option<Options>, InvalidRequest> {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        options(&headers.iter().map(pair).collect(), None)
    }

    #[test]
    fn each_header_sets_its_option() {
        assert_eq!(read(&[("accept", "*/*"), ("x-other", "1")]), Ok(None));
        let all = [
            ("cache-control", "max-age=0, no-cache"),
            ("x-fb-prefer", "openai/gpt-6.1-sol"),
            ("x-fb-timeout", "1500ms"),
            ("x-fb-category", "support"),
            ("x-fb-allow-degraded", "False"),
            ("x-fb-session", "s-1"),
            ("x-fb-tags", "feature=search, team=web"),
            ("x-fb-regions", "eu, ch,"),
            ("x-fb-data-class", "personal"),
            ("x-fb-allowed", "openai,local/small"),
            ("x-fb-max-cost", "0.05"),
            ("x-fb-of-tomorrow", "?"),
        ];
        let Options {
            timeout,
            tenant,
            key,
            cache,
            prefer,
            refuse_direct,
            category,
            refuse_degraded,
            session,
            tags,
            rules,
        } = read(&all).unwrap().unwrap();
        assert_eq!(
            (timeout, tenant, key, cache),
            (Some(Duration::from_millis(1_500)), None, None, CacheControl::NoCache)
        );
        assert_eq!((prefer.as_deref(), category.as_deref()), (Some("openai/gpt-6.1-sol"), Some("support")));
        assert_eq!((refuse_direct, refuse_degraded, session.as_deref()), (false, true, Some("s-1")));
        assert_eq!(format!("{tags:?}"), r#"{"feature": "search", "team": "web"}"#);
        assert_eq!(rules.ceiling, Some(Money::from_nanos(50_000_000)));
        assert_eq!(rules.data_class.as_deref(), Some("personal"));
        assert_eq!(
            format!("{:?} {:?}", rules.regions, rules.allowed),
            r#"Some(["eu", "ch"]) Some(["openai", "local/small"])"#
        );
        assert_eq!(
            read(&[("x-fb-timeout", "2.5")]).unwrap().unwrap().timeout,
            Some(Duration::from_millis(2_500))
        );
    }

    #[test]
    fn invalid_values_are_reported() {
        let cases = [
            ("x-fb-timeout", "soon"),
            ("x-fb-timeout", "0"),
            ("x-fb-allow-degraded", "no"),
            ("x-fb-tags", "search"),
            ("x-fb-max-cost", "-1"),
            ("x-fb-prefer", ""),
        ];
        let messages: Vec<String> =
            cases.iter().map(|header| read(&[*header]).unwrap_err().message).collect();
        expect![[r#"
            x-fb-timeout: "soon"; expected a time above 0 such as 1500ms, or seconds such as 1.5
            x-fb-timeout: "0"; expected a time above 0 such as 1500ms, or seconds such as 1.5
            x-fb-allow-degraded: "no"; expected true or false
            x-fb-tags: "search"; expected at most 16 of name=value, separated by commas, each of at most 128 letters
            x-fb-max-cost: "-1"; expected US dollars, 0 to 1000000, such as 0.05
            x-fb-prefer: ""; expected printable ASCII"#]].assert_eq(&messages.join("\n"));
    }
}
