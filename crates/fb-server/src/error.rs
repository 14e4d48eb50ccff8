//! Error responses. Status, code, type and retryability come from [`ErrorCode::http`].

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use fb::{Error, ErrorCode, ErrorType, HttpError, RequestError};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::{
    body::{Body, JSON, Response, response},
    dialects::OpenAiChat,
    door::{Door, PrintedError},
    rejected::Rejected,
    report_headers::{Exposed, random_request_id, write_report_headers},
};

/// Longest `Retry-After` sent: OpenAI's SDK does not retry at all after a longer one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// A request refused by the server itself, before it reaches the client.
#[derive(Debug)]
pub(crate) struct Rejection {
    code: ErrorCode,
    message: String,
    /// The field or header at fault.
    param: Option<Cow<'static, str>>,
}

impl Rejection {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), param: None }
    }

    /// Rejects a field of the request; the message names its value and what was expected.
    pub(crate) fn invalid(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message).with_param(field)
    }

    pub(crate) fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let http = self.code.http();
        let mut response = error_response(http, &self.message, self.param.as_deref());
        let headers = response.headers_mut();
        headers.insert("x-request-id", random_request_id());
        if !http.retryable {
            forbid_retry(headers);
        } else if let Some(wait) = http.retry_after {
            headers.insert("retry-after", HeaderValue::from(whole_seconds(wait)));
        }
        mark(&mut response, http, self.param.map(Cow::into_owned));
        response
    }
}

/// Returns the response to a request that failed, with the status and headers that OpenAI's clients act on.
pub(crate) fn respond(error: &Error, exposed: Exposed) -> Response {
    let (param, message) = describe(error, exposed);
    respond_with(error, error.http(), &message, param, exposed)
}

/// Returns the event of a stream that failed after the head of its response was sent, with the body of that response.
pub(crate) fn event(door: &dyn Door, error: &Error, exposed: Exposed) -> Bytes {
    let (param, message) = describe(error, exposed);
    let id = error.report().map(|report| report.id.to_string());
    let printed = PrintedError::new(error.http(), &message, param);
    door.error_event(&PrintedError { request_id: id.as_deref(), ..printed })
}

/// Returns the parameter at fault and the message.
fn describe(error: &Error, exposed: Exposed) -> (Option<&str>, String) {
    match error {
        Error::InvalidRequest(invalid) => (invalid.param.as_deref(), invalid.message.clone()),
        Error::UnknownModel { .. } => (Some("model"), error.to_string()),
        other if exposed.trace => (None, other.to_string()),
        other => (None, other.summary()),
    }
}

/// Returns the response to a request that failed, which is 503 with the error of every target whatever the kinds of
/// failure, unless the caller or its tenant has to change something. An unknown model is the caller's mistake if the
/// request `names_a_target`.
pub(crate) fn respond_unavailable(error: &Error, names_a_target: bool, exposed: Exposed) -> Response {
    let code = error.error_code();
    let is_unavailable = match code {
        ErrorCode::MoneyBudgetExceeded | ErrorCode::RateBudgetExceeded | ErrorCode::InvalidConfig => false,
        ErrorCode::ModelNotFound => !names_a_target,
        other => other.http().error_type != ErrorType::InvalidRequest,
    };
    match error.report() {
        Some(report) if is_unavailable => {
            let retry_after = error.retry_after();
            let mut http = ErrorCode::AllTargetsUnavailable.http();
            http.retry_after = retry_after;
            let reasons = Some(report.reasons()).filter(|reasons| !reasons.is_empty());
            let reasons = match reasons {
                Some(reasons) if exposed.trace => format!(": {reasons}"),
                None if exposed.trace => ": none could be called".to_owned(),
                _ => String::new(),
            };
            respond_with(error, http, &format!("no target could answer{reasons}"), None, exposed)
        }
        _ => respond(error, exposed),
    }
}

fn respond_with(
    error: &Error,
    http: HttpError,
    message: &str,
    param: Option<&str>,
    exposed: Exposed,
) -> Response {
    let mut response = error_response(http, message, param);
    let headers = response.headers_mut();
    match http.retry_after {
        Some(wait) => write_retry_after(headers, wait),
        None if !http.retryable => forbid_retry(headers),
        None => {}
    }
    if let Some(report) = error.report() {
        write_report_headers(headers, report, &[], exposed);
    } else {
        headers.insert("x-request-id", random_request_id());
        mark(&mut response, http, param.map(str::to_owned));
    }
    response
}

/// Marks the response to a request that reached no route.
fn mark(response: &mut Response, http: HttpError, param: Option<String>) {
    let error = RequestError::new(http.status, http.code);
    response.extensions_mut().insert(Rejected { error, param, tenant: None });
}

/// Returns a response in OpenAI's dialect, with what [`print_in`] needs to print it in another.
fn error_response(http: HttpError, message: &str, param: Option<&str>) -> Response {
    let body = OpenAiChat.error(&PrintedError::new(http, message, param));
    let mut response = response(JSON, body);
    *response.status_mut() = StatusCode::from_u16(http.status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.extensions_mut().insert(ErrorText {
        http,
        message: message.into(),
        param: param.map(Into::into),
    });
    response
}

/// The error that a response reports, among its extensions.
#[derive(Debug, Clone)]
struct ErrorText {
    http: HttpError,
    message: Box<str>,
    param: Option<Box<str>>,
}

/// Prints the error of a response in the dialect of a door. Any other response stays as it is.
pub(crate) fn print_in(door: &dyn Door, response: &mut Response) {
    let Some(ErrorText { http, message, param }) = response.extensions_mut().remove() else { return };
    let request_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let printed = PrintedError::new(http, &message, param.as_deref());
    let body = door.error(&PrintedError { request_id, ..printed });
    *response.body_mut() = Body::from(body);
}

fn write_retry_after(headers: &mut HeaderMap, wait: Duration) {
    // OpenAI's clients would retry after their own, shorter wait.
    if wait > MAX_RETRY_AFTER {
        forbid_retry(headers);
    }
    let wait = wait.min(MAX_RETRY_AFTER);
    headers.insert("retry-after", HeaderValue::from(whole_seconds(wait)));
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    headers.insert("retry-after-ms", HeaderValue::from(millis));
}

/// Rounds up to whole seconds.
const fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + (wait.subsec_nanos() > 0) as u64
}

/// Stops OpenAI's clients from retrying by themselves.
fn forbid_retry(headers: &mut HeaderMap) {
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
}
