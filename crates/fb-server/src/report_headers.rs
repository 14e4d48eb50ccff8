use axum::http::{HeaderMap, HeaderName, HeaderValue};
use fb::{Note, Report, RequestId};

/// Letters of the reason for a degraded answer.
const MAX_REASON: usize = 300;

/// Adds what fb has to say about a request.
pub(crate) fn write_report_headers(headers: &mut HeaderMap, report: &Report, notes: &[Note]) {
    headers.reserve(8);
    headers.insert("x-request-id", header(report.id));
    headers.insert("x-fb-attempts", HeaderValue::from(report.attempts()));
    headers.insert("x-fb-level", HeaderValue::from_static(report.level.name()));
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(by) = &report.served_by {
        set("x-fb-served-by", by.to_string());
    }
    if let Some(cache) = &report.cache {
        set("x-fb-cache", cache.to_string());
    }
    if let Some(reason) = &report.degraded {
        let plain = |letter: char| if letter.is_ascii() && !letter.is_ascii_control() { letter } else { '?' };
        set("x-fb-reason", reason.chars().take(MAX_REASON).map(plain).collect());
    }
    set("x-fb-trace", report.trace.one_line());
    if !notes.is_empty() {
        let fields: Vec<&str> = notes.iter().map(|note| note.field.as_str()).collect();
        set("x-fb-degraded", fields.join(","));
    }
}

fn header(id: RequestId) -> HeaderValue {
    HeaderValue::from_str(&id.to_string()).unwrap_or_else(|_| HeaderValue::from_static("req_"))
}

/// A random id for a request that reached no route.
pub(crate) fn request_id() -> HeaderValue {
    header(RequestId::new(fastrand::u128(..)))
}
