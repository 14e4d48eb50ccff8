use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use fb::Error;
use fb_wire::openai;

use crate::report_headers::{request_id, write_report_headers};

/// Longest `Retry-After` given: OpenAI's SDK does not retry at all when it is asked to wait longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// An error in OpenAI's envelope, with the status and headers its clients act on.
pub(crate) fn respond(error: &Error) -> Response {
    let (status, code) = (error.status(), error.code());
    let (param, message) = match error {
        Error::InvalidRequest(invalid) => (invalid.param.as_deref(), invalid.message.clone()),
        Error::UnknownModel { .. } => (Some("model"), error.to_string()),
        other => (None, error_message(other)),
    };
    let mut response = envelope(status, &message, param, code);
    let headers = response.headers_mut();
    match error.retry_after().filter(|_| matches!(status, 402 | 429 | 502..=504)) {
        Some(wait) => {
            let wait = wait.min(MAX_RETRY_AFTER);
            let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert("retry-after", HeaderValue::from(secs));
            headers.insert(
                "retry-after-ms",
                HeaderValue::from(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            );
        }
        None if !may_pass(status, code) => {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        None => {}
    }
    match error.report() {
        Some(report) => write_report_headers(headers, report, &[]),
        None => {
            headers.insert("x-request-id", request_id());
        }
    }
    response
}

/// The error's own words, and why each target could not take the request when nobody was called.
fn error_message(error: &Error) -> String {
    let mut text = error.to_string();
    if let Error::Exhausted(ended) = error
        && ended.cause.is_none()
        && !ended.report.trace.rows().is_empty()
    {
        text.push_str(": ");
        text.push_str(&ended.report.trace.one_line());
    }
    text
}

/// Whether the same request may succeed later.
fn may_pass(status: u16, code: &str) -> bool {
    let repair = [
        "budget_exceeded",
        "insufficient_quota",
        "upstream_credentials",
        "upstream_permission",
        "upstream_region",
    ];
    matches!(status, 408 | 429 | 500..) && !repair.contains(&code)
}

/// Any error in OpenAI's envelope, all four keys always.
fn envelope(status: u16, message: &str, param: Option<&str>, code: &str) -> Response {
    let kind = match (status, code) {
        (_, "insufficient_quota") | (402, _) => "insufficient_quota",
        (429, _) => "rate_limit_error",
        (503, _) => "service_unavailable_error",
        (500.., _) => "api_error",
        _ => "invalid_request_error",
    };
    let mut response = Response::new(Body::from(openai::error_body(message, kind, param, Some(code))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn gateway_error(status: u16, message: &str, param: Option<&str>, code: &str) -> Response {
    let mut response = envelope(status, message, param, code);
    let headers = response.headers_mut();
    headers.insert("x-request-id", request_id());
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    response
}

/// An error of the operators' listener.
pub(crate) fn admin(status: u16, message: &str, param: Option<&str>, code: &str) -> Response {
    gateway_error(status, message, param, code)
}

pub(crate) fn too_large(limit: usize) -> Response {
    gateway_error(413, &format!("the body is larger than {limit} bytes"), None, "request_too_large")
}

pub(crate) fn no_room() -> Response {
    let message = "too much of other requests is held at the moment";
    let mut response = envelope(503, message, None, "overloaded");
    let headers = response.headers_mut();
    headers.insert("x-request-id", request_id());
    headers.insert("retry-after", HeaderValue::from_static("1"));
    response
}

pub(crate) fn bad_body(message: &str) -> Response {
    gateway_error(400, message, None, "invalid_request")
}

pub(crate) fn slow_body(limit: Duration) -> Response {
    gateway_error(408, &format!("the body did not come within {limit:?}"), None, "request_timeout")
}

pub(crate) fn unknown_model(asked: &str, names: &[String]) -> Response {
    let message = format!("no model is named {asked:?}; models: {}", names.join(", "));
    gateway_error(404, &message, Some("model"), "model_not_found")
}

pub(crate) async fn no_such_path(request: Request) -> Response {
    let message = format!("no such path: {} {}", request.method(), request.uri().path());
    gateway_error(404, &message, None, "unknown_url")
}

pub(crate) async fn wrong_method(request: Request) -> Response {
    let message = format!("{} is not allowed for {}", request.method(), request.uri().path());
    gateway_error(405, &message, None, "method_not_allowed")
}
