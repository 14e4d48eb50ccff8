use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn parsed(body: &str) -> ErrorBody {
    read(body.as_bytes())
}

#[expect(clippy::unnecessary_wraps, reason = "what a present field looks like")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn known_formats_are_parsed() {
    let openai = parsed(
        r#"{"error":{"message":"No","type":"insufficient_quota","param":"p","code":"credit_balance_exhausted"}}"#,
    );
    assert_eq!(
        (openai.message.as_str(), openai.kind, openai.code, openai.param),
        ("No", some("insufficient_quota"), some("credit_balance_exhausted"), some("p"))
    );
    let vllm = parsed(r#"{"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}"#);
    assert_eq!((vllm.code, vllm.param), (some("400"), None));
    let anthropic = parsed(
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"req_1"}"#,
    );
    assert_eq!(
        (anthropic.kind, anthropic.detail_code, anthropic.request_id),
        (some("rate_limit_error"), some("enforced_spend_limit_reached"), some("req_1"))
    );
    let google = parsed(
        r#"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.1s"}]}}]"#,
    );
    assert_eq!(
        (google.status, google.retry_delay),
        (some("RESOURCE_EXHAUSTED"), Some(Duration::from_millis(34_100)))
    );
    let exceeded = parsed(
        r#"{"error":{"code":429,"message":"Please retry in 20.5s.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"RequestsPerMinute"},{"quotaMetric":"m"}]}]}}"#,
    );
    assert_eq!(
        (exceeded.quota_ids, exceeded.retry_delay),
        (vec!["RequestsPerMinute".to_owned()], Some(Duration::from_millis(20_500)))
    );
    let azure = parsed(
        r#"{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
    );
    assert_eq!(
        (azure.code, azure.inner_code),
        (some("content_filter"), some("ResponsibleAIPolicyViolation"))
    );
    let openrouter = parsed(
        r#"{"error":{"code":502,"message":"m","metadata":{"error_type":"provider_unavailable","limit_source":"key"}}}"#,
    );
    assert_eq!((openrouter.error_type, openrouter.limit_source), (some("provider_unavailable"), some("key")));
    let flagged = parsed(r#"{"error":{"code":403,"message":"m","metadata":{"reasons":["violence"]}}}"#);
    assert!(flagged.flagged && flagged.upstream.is_none());
    for raw in [r#"{"code":"c","error":"m"}"#, r#""{\"error\":{\"code\":\"c\",\"message\":\"m\"}}""#] {
        let body = format!(r#"{{"error":{{"code":403,"metadata":{{"reasons":[],"raw":{raw}}}}}}}"#);
        let behind = parsed(&body);
        let upstream = behind.upstream.expect("the error of the provider behind");
        assert_eq!(
            (behind.flagged, upstream.code, upstream.message.as_str()),
            (false, some("c"), "m"),
            "{raw}"
        );
    }
    let string = parsed(r#"{"error":"model 'x' not found","code":"e1"}"#);
    assert_eq!((string.message.as_str(), string.code), ("model 'x' not found", some("e1")));
    let mistral = parsed(r#"{"object":"error","message":"m","type":"t","code":"1"}"#);
    assert_eq!((mistral.message.as_str(), mistral.kind), ("m", some("t")));
    assert_eq!(parsed(r#"{"Message":"m","__type":"ThrottlingException"}"#).kind, some("ThrottlingException"));
    assert_eq!(parsed(r#"{"detail":"Not Found"}"#).message, "Not Found");
    assert_eq!(parsed(r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#).message, "field required");
    assert_eq!(parsed(r#"{"errors":[{"message":"m"}]}"#).message, "m");
    let nested = parsed(r#"{"object":"error","message":{"detail":[{"loc":["body"],"msg":"m"}]},"type":"t"}"#);
    assert_eq!((nested.message.as_str(), nested.kind), ("m", some("t")));
    assert_eq!(parsed(r#"{"id":"gen-1","error":{"message":"m","code":502}}"#).request_id, some("gen-1"));
}

#[test]
fn invalid_utf8_hides_no_code() {
    let broken = read(b"{\"error\":{\"message\":\"a\xff\",\"type\":\"overloaded_error\"}}");
    assert_eq!((broken.message.as_str(), broken.kind), ("a\u{fffd}", some("overloaded_error")));
}

#[test]
fn text_html_and_empty_bodies_are_shortened() {
    let html = parsed("<html>\r\n<h1>502 Bad Gateway</h1>\u{7}</html>");
    assert_eq!((html.message.as_str(), html.json), ("<html>  <h1>502 Bad Gateway</h1> </html>", false));
    assert_eq!(parsed("").message, "");
    assert_eq!(parsed("null").message, "");
    assert_eq!(read(&[0xff; 10]).message.chars().count(), 10);
    assert_eq!(parsed(&"é".repeat(100_000)).message.chars().count(), 300);
    assert!(!parsed(&format!("{}{}", "[".repeat(5_000), "]".repeat(5_000))).json, "too deep to be an error");
}

#[test]
fn secrets_are_redacted() {
    let table = [
        ("Incorrect API key provided: sk-canary-123456", "Incorrect API key provided: [redacted]"),
        ("Bearer abcdef0123456789abcdef is wrong", "Bearer [redacted] is wrong"),
        ("Bearer abcdefghijklmnopqrstuvwxyz", "Bearer [redacted]"),
        ("Authorization: Basic dXNlcjpwYXNz/29yZDEy+zQ==, no", "Authorization: Basic [redacted], no"),
        ("api-key: abcdefghijklmnop", "api-key: [redacted]"),
        ("api_key=0123456789ab&x=1", "api_key=[redacted]&x=1"),
        ("Your API key ABCD1234 is wrong", "Your API key [redacted] is wrong"),
        ("{\"x-api-key\":\"abcdefghijklmnop\"}", "{\"x-api-key\":\"[redacted]\"}"),
        ("key=abcDEF0123456789xyz!", "key=[redacted]!"),
        ("key abcdefgh/ijkl0123456789+/==", "key [redacted]"),
        ("key abcdefghijklmnopqrstuvwxyzab", "key [redacted]"),
        ("the key abcd****wxyz is revoked", "the key [redacted] is revoked"),
        ("https://host/v1?key=AIzaCanary", "https://host/v1?key=[redacted]"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.ab", "got [redacted]"),
        ("xai-0123456789", "[redacted]"),
    ];
    for (text, expected) in table {
        assert_eq!(redact(text), expected);
    }
}

#[test]
fn harmless_words_are_kept() {
    for text in [
        "the model gpt-6.1-sol does not exist",
        "the model you provided gpt-6.1-sol-2026-11-01 does not exist",
        "request req_0123456789abcdef failed",
        "unknown key: response_format_json_schema",
        "missing key generationConfig.responseSchema",
        "context_length_exceeded",
        "token limit 200000 exceeded, max_tokens is 16384",
        "find your API key at https://platform.openai.com/account/api-keys.",
        "API key authentication failed",
    ] {
        assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{}", redact(text));
    }
}

#[test]
fn no_field_contains_a_secret() {
    let secret = "sk-canary0123456789";
    let fields = format!(
        r#""message":"{secret}","type":"{secret}","code":"{secret}","param":"{secret}","status":"{secret}","details":{{"error_code":"{secret}"}},"metadata":{{"error_type":"{secret}","limit_source":"{secret}"}},"innererror":{{"code":"{secret}"}}"#
    );
    for body in [
        format!(r#"{{"error":{{{fields}}},"request_id":"{secret}"}}"#),
        format!(r#"{{{fields},"id":"{secret}"}}"#),
        format!(r#"{{"error":"bad key: {secret}","code":"{secret}"}}"#),
        format!(r#"{{"detail":[{{"msg":"{secret}"}}]}}"#),
        format!(r#"{{"errors":["{secret}"]}}"#),
        format!(r#""{secret}""#),
        format!("<html>{secret}</html>"),
    ] {
        let found = format!("{:?}", parsed(&body));
        assert!(!found.contains("canary") && found.contains("[redacted]"), "{body}: {found}");
    }
}

proptest! {
    #[test]
    fn parsing_never_fails_and_texts_are_short(
        value in prop_oneof![
            "\\PC{0,40}",
            "(sk-|Bearer |key |api-key: )?[a-zA-Z0-9/+=é_.-]{0,400}",
            prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
        ],
        shape in prop::sample::select(vec![
            r#"{"error":{"message":$,"type":$,"code":$,"details":[{"retryDelay":$}]},"id":$}"#,
            r#"{"error":$,"code":$}"#,
            r#"[{"error":{"metadata":{"error_type":$},"innererror":{"code":$}}}]"#,
            r#"{"detail":[$],"message":{"detail":[{"msg":$}]}}"#,
            "$",
            "<html>$",
        ]),
        cut in 0usize..600,
    ) {
        let body = shape.replace('$', &Value::from(value).to_string()).into_bytes();
        for body in [&body[..], &body[..cut.min(body.len())]] {
            let found = read(body);
            let texts = [Some(found.message), found.kind, found.code, found.request_id, found.error_type];
            for text in texts.into_iter().flatten() {
                prop_assert!(text.chars().count() <= MAX_MESSAGE && !text.contains(char::is_control), "{text}");
            }
        }
    }
}
