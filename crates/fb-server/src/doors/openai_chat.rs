use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use fb::{
    Answer, Block, BlockCategory, BlockForm, ChatRequest, Dialect, Error, FinishReason, Head, Raw, Report,
    StreamEvent,
};
use fb_wire::openai::{self, ChunkPrinter};
use http::{HeaderValue, Request, StatusCode, header::CACHE_CONTROL};

use crate::{
    body::{Body, EVENT_STREAM, JSON, Response, response},
    error, preferred_provider,
    report_headers::write_report_headers,
    request_headers::options,
    state::State,
    stream_body::StreamBody,
};

/// `POST /v1/chat/completions`, plain and streamed.
pub(crate) async fn chat<B: http_body::Body<Data = Bytes>>(state: &State, request: Request<B>) -> Response {
    let (parts, body) = request.into_parts();
    let body = match state.bodies.read(body).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let parsed = openai::request(body).and_then(|request| {
        let options = options(&parts.headers, &state.keys)?;
        preferred_provider::take(match options {
            Some(options) => request.with_options(options),
            None => request,
        })
    });
    let (request, preference) = match parsed {
        Ok(parsed) => parsed,
        Err(invalid) => return error::respond(&Error::InvalidRequest(invalid)),
    };
    let head = request.head().clone();
    let response = if head.stream { streamed(state, request).await } else { plain(state, request).await };
    response.unwrap_or_else(|error| match error {
        Error::Blocked(ended) => blocked(&ended.cause, &ended.report, &head),
        error => error::respond(&preference.name_in(error)),
    })
}

async fn plain(state: &State, request: ChatRequest) -> Result<Response, Error> {
    let model = request.head().model.clone();
    let Answer { reply, report } = state.client.chat(request).await?;
    let body = match &reply.raw {
        Some(Raw { dialect: Dialect::OpenAi, bytes }) if reply.complete => bytes.clone(),
        Some(Raw { dialect: Dialect::OpenAi, bytes }) => openai::complete(bytes, created(), &model),
        _ => openai::print_reply(&reply, created(), &model),
    };
    let mut response = response(JSON, body);
    write_report_headers(response.headers_mut(), &report, &reply.meta.notes);
    Ok(response)
}

async fn streamed(state: &State, request: ChatRequest) -> Result<Response, Error> {
    let (model, usage) = (request.head().model.clone(), request.head().include_usage);
    let stream = state.client.stream(request).await?;
    let (report, notes) = (stream.report(), stream.meta().notes.clone());
    let body = Body::stream(StreamBody::new(stream, created(), &model, usage));
    let mut response = response(EVENT_STREAM, body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    write_report_headers(headers, &report, &notes);
    Ok(response)
}

/// Returns a content-policy refusal in the form that its provider gave it. A refusal in another dialect is printed in
/// OpenAI's, and as a stream if the client requested one.
fn blocked(block: &Block, report: &Report, head: &Head) -> Response {
    let (status, body) = match &block.form {
        BlockForm::Body { status, raw: Some(Raw { dialect: Dialect::OpenAi, bytes }) } => {
            (*status, bytes.clone())
        }
        _ => openai::print_block(block, created(), &head.model),
    };
    let as_stream = head.stream && status == 200;
    let mut response =
        if as_stream { response(EVENT_STREAM, block_stream(block, head)) } else { response(JSON, body) };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    write_report_headers(headers, report, &[]);
    response
}

/// Prints a block that arrived as a complete body as the equivalent stream.
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
    let mut printed = BytesMut::new();
    ChunkPrinter::new(created(), &head.model, head.include_usage).print(&events, &mut printed);
    printed.freeze()
}

/// Returns the current time in seconds since 1970, as OpenAI's `created`.
#[expect(clippy::disallowed_methods, reason = "a wall-clock field of the answer, no decision depends on it")]
fn created() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
