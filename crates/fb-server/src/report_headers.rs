//! Response headers that report how a request was served.

use bytes::{Bytes, BytesMut};
use fb::{Note, Report, RequestId};
use fb_wire::sse;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Maximum length of `x-fb-reason`, in characters.
const MAX_REASON: usize = 300;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static ATTEMPTS: HeaderName = HeaderName::from_static("x-fb-attempts");
static LEVEL: HeaderName = HeaderName::from_static("x-fb-level");
static SERVED_BY: HeaderName = HeaderName::from_static("x-fb-served-by");
static CACHE: HeaderName = HeaderName::from_static("x-fb-cache");
static REASON: HeaderName = HeaderName::from_static("x-fb-reason");
static TRACE: HeaderName = HeaderName::from_static("x-fb-trace");
static DEGRADED: HeaderName = HeaderName::from_static("x-fb-degraded");

/// The parts of a report that callers may see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exposed {
    pub(crate) trace: bool,
    pub(crate) costs: bool,
}

impl Exposed {
    /// Returns the trace as one line, if callers may see it.
    pub(crate) fn trace(self, report: &Report) -> Option<String> {
        self.trace.then(|| {
            if self.costs { report.trace.one_line() } else { report.trace.without_costs().one_line() }
        })
    }
}

/// Adds `x-request-id` and the `x-fb-*` headers of a request.
pub(crate) fn write_report_headers(
    headers: &mut HeaderMap,
    report: &Report,
    notes: &[Note],
    exposed: Exposed,
) {
    headers.reserve(8);
    headers.insert(&REQUEST_ID, id_header(report.id));
    headers.insert(&ATTEMPTS, HeaderValue::from(report.attempts()));
    headers.insert(&LEVEL, HeaderValue::from_static(report.level.name()));
    let mut set = |name: &HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    if let Some(by) = &report.served_by {
        set(&SERVED_BY, by.to_string());
    }
    if let Some(cache) = &report.cache {
        set(&CACHE, cache.to_string());
    }
    if let Some(reason) = &report.degraded {
        let ascii = |char: char| if char.is_ascii() && !char.is_ascii_control() { char } else { '?' };
        set(&REASON, reason.chars().take(MAX_REASON).map(ascii).collect());
    }
    if let Some(trace) = exposed.trace(report) {
        set(&TRACE, trace);
    }
    if !notes.is_empty() {
        let fields: Vec<&str> = notes.iter().map(|note| note.field.as_str()).collect();
        set(&DEGRADED, fields.join(","));
    }
}

/// Prints the same headers as comments of a stream, for a response with a head that was sent before they were known.
pub(crate) fn report_comments(report: &Report, notes: &[Note], exposed: Exposed) -> Bytes {
    let mut headers = HeaderMap::new();
    write_report_headers(&mut headers, report, notes, exposed);
    let mut comments = BytesMut::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        comments.extend_from_slice(&sse::comment(&format!("{name}: {value}")));
    }
    comments.freeze()
}

fn id_header(id: RequestId) -> HeaderValue {
    HeaderValue::from_str(&id.to_string()).unwrap_or_else(|_| HeaderValue::from_static("req_"))
}

/// Returns a random id for a request that reached no route.
pub(crate) fn random_request_id() -> HeaderValue {
    id_header(RequestId::new(fastrand::u128(..)))
}
