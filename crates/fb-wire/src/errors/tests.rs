use super::*;

fn said(body: &str) -> ErrorBody {
    read(body.as_bytes())
}

#[expect(clippy::unnecessary_wraps, reason = "what a present field looks like")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn every_known_shape_gives_its_parts() {
    let openai = said(
        r#"{"error":{"message":"No","type":"insufficient_quota","param":"p","code":"credit_balance_exhausted"}}"#,
    );
    assert_eq!(
        (openai.message.as_str(), openai.kind, openai.code, openai.param),
        ("No", some("insufficient_quota"), some("credit_balance_exhausted"), some("p"))
    );
    let vllm = said(r#"{"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}"#);
    assert_eq!((vllm.code, vllm.param), (some("400"), None));
    let anthropic = said(
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"req_1"}"#,
    );
    assert_eq!(
        (anthropic.kind, anthropic.detail_code, anthropic.request_id),
        (some("rate_limit_error"), some("enforced_spend_limit_reached"), some("req_1"))
    );
    let google = said(
        r#"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.1s"}]}}]"#,
    );
    assert_eq!(
        (google.status, google.retry_delay),
        (some("RESOURCE_EXHAUSTED"), Some(Duration::from_millis(34_100)))
    );
    let azure = said(
        r#"{"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
    );
    assert_eq!(
        (azure.code, azure.inner_code),
        (some("content_filter"), some("ResponsibleAIPolicyViolation"))
    );
    let openrouter = said(
        r#"{"error":{"code":502,"message":"m","metadata":{"error_type":"provider_unavailable","limit_source":"key"}}}"#,
    );
    assert_eq!((openrouter.error_type, openrouter.limit_source), (some("provider_unavailable"), some("key")));
    let string = said(r#"{"error":"model 'x' not found","code":"e1"}"#);
    assert_eq!((string.message.as_str(), string.code), ("model 'x' not found", some("e1")));
    let mistral = said(r#"{"object":"error","message":"m","type":"t","code":"1"}"#);
    assert_eq!((mistral.message.as_str(), mistral.kind), ("m", some("t")));
    assert_eq!(said(r#"{"Message":"m","__type":"ThrottlingException"}"#).kind, some("ThrottlingException"));
    assert_eq!(said(r#"{"detail":"Not Found"}"#).message, "Not Found");
    assert_eq!(said(r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#).message, "field required");
    assert_eq!(said(r#"{"errors":[{"message":"m"}]}"#).message, "m");
}

#[test]
fn text_html_and_nothing_are_kept_short_and_printable() {
    let html = said("<html>\r\n<h1>502 Bad Gateway</h1>\u{7}</html>");
    assert_eq!((html.message.as_str(), html.json), ("<html>  <h1>502 Bad Gateway</h1> </html>", false));
    assert_eq!(said("").message, "");
    assert_eq!(said("null").message, "");
    assert_eq!(read(&[0xff; 10]).message.chars().count(), 10);
    assert_eq!(said(&"é".repeat(100_000)).message.chars().count(), 300);
    assert!(!said(&format!("{}{}", "[".repeat(5_000), "]".repeat(5_000))).json, "too deep to be an error");
}

#[test]
fn secrets_are_redacted() {
    let table = [
        ("Incorrect API key provided: sk-canary-123456", "Incorrect API key provided: [redacted]"),
        ("Bearer abcdef0123456789abcdef is wrong", "Bearer [redacted] is wrong"),
        ("key=abcDEF0123456789xyz!", "key=[redacted]!"),
        ("the key abcd****wxyz is revoked", "the key [redacted] is revoked"),
        ("xai-0123456789", "[redacted]"),
        ("the model gpt-6.1-sol does not exist", "the model gpt-6.1-sol does not exist"),
        ("request req_0123456789abcdef failed", "request req_0123456789abcdef failed"),
    ];
    for (text, expected) in table {
        assert_eq!(redact(text), expected);
    }
    let body = said(r#"{"error":{"message":"bad key: gsk_canary0123456789"}}"#);
    assert!(!body.message.contains("canary"), "{body:?}");
}
