use std::time::SystemTime;

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use fb::{
    Answer, Block, BlockCategory, BlockForm, ChatRequest, Dialect, Error, FinishReason, Head, Note, Raw,
    Report, RequestId, StreamEvent,
};
use fb_wire::openai::{self, ChunkPrinter};

use super::headers::options;
use crate::{error, relay::Relay, server::Shared};

pub(super) const JSON: &str = "application/json";
/// Letters of the reason for a degraded answer.
const MAX_REASON: usize = 300;
const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// `POST /v1/chat/completions`, plain and streamed.
pub(crate) async fn chat<B: HttpBody<Data = Bytes> + Unpin>(
    shared: &Shared,
    request: Request<B>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match shared.bodies.read(body).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let asked = openai::request(body).and_then(|request| {
        let options = options(&parts.headers, &shared.tenants)?;
        Ok(match options {
            Some(options) => request.with_options(options),
            None => request,
        })
    });
    let request = match asked {
        Ok(request) => request,
        Err(invalid) => return error::respond(&Error::InvalidRequest(invalid)),
    };
    let head = request.head().clone();
    let response = if head.stream { streamed(shared, request).await } else { plain(shared, request).await };
    response.unwrap_or_else(|error| match error {
        Error::Blocked(ended) => blocked(&ended.cause, &ended.report, &head),
        error => error::respond(&error),
    })
}

async fn plain(shared: &Shared, request: ChatRequest) -> Result<Response, Error> {
    let model = request.head().model.clone();
    let Answer { reply, report } = shared.client.chat(request).await?;
    let body = match &reply.raw {
        Some(Raw { dialect: Dialect::OpenAi, bytes }) if reply.complete => bytes.clone(),
        Some(Raw { dialect: Dialect::OpenAi, bytes }) => openai::complete(bytes, created(), &model),
        _ => openai::print_reply(&reply, created(), &model),
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    tell(headers, &report, &reply.meta.notes);
    Ok(response)
}

async fn streamed(shared: &Shared, request: ChatRequest) -> Result<Response, Error> {
    let (model, usage) = (request.head().model.clone(), request.head().include_usage);
    let stream = shared.client.stream(request).await?;
    let (report, notes) = (stream.report(), stream.meta().notes.clone());
    let relay = Relay::new(stream, created(), &model, usage);
    let mut response = Response::new(Body::new(relay));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert("cache-control", HeaderValue::from_static("no-cache"));
    tell(headers, &report, &notes);
    Ok(response)
}

/// Says a block again in the form its provider gave it; in OpenAI's when it came in another dialect, and as a stream
/// to a client that reads one.
fn blocked(block: &Block, report: &Report, head: &Head) -> Response {
    let (status, body) = match &block.form {
        BlockForm::Body { status, raw: Some(Raw { dialect: Dialect::OpenAi, bytes }) } => {
            (*status, bytes.clone())
        }
        _ => openai::print_block(block, created(), &head.model),
    };
    let as_stream = head.stream && status == 200;
    let body = if as_stream { block_stream(block, head) } else { body };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(if as_stream { EVENT_STREAM } else { JSON }));
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    tell(headers, report, &[]);
    response
}

/// A block that came as a whole body, as the stream it would have been.
fn block_stream(block: &Block, head: &Head) -> Bytes {
    let finish = match block.category {
        BlockCategory::Input | BlockCategory::Output => FinishReason::ContentFilter,
        BlockCategory::Refusal => FinishReason::Refusal,
    };
    let mut events = vec![StreamEvent::Started { id: None, model: None }];
    if !block.partial.is_empty() {
        events.push(StreamEvent::Text(block.partial.clone()));
    }
    events.push(StreamEvent::Blocked(block.clone()));
    events.push(StreamEvent::Finish(finish));
    events.extend(block.usage.map(StreamEvent::Usage));
    events.push(StreamEvent::Done);
    let mut out = BytesMut::new();
    ChunkPrinter::new(created(), &head.model, head.include_usage).print(&events, &mut out);
    out.freeze()
}

/// Adds what fb has to say about a request.
pub(crate) fn tell(headers: &mut HeaderMap, report: &Report, notes: &[Note]) {
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

/// Seconds since 1970: what OpenAI's `created` means.
#[expect(clippy::disallowed_methods, reason = "a wall-clock field of the answer, no decision depends on it")]
fn created() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
