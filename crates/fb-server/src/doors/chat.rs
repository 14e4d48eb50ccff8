//! A chat through any door: plain, streamed, blocked or failed.

use bytes::{Bytes, BytesMut};
use fb::{
    Answer, Block, BlockCategory, BlockForm, ChatRequest, ChatStream, Error, FinishReason, Head, Raw, Report,
    StreamEvent,
};
use http::{HeaderValue, Request, StatusCode, header::CACHE_CONTROL};
use tokio::time::timeout;

use crate::{
    auth::Caller,
    body::{Body, EVENT_STREAM, JSON, Response, response},
    door::Door,
    error,
    preferred_provider::IsSetByField,
    report_headers::{Exposed, report_comments, write_report_headers},
    request_headers::options,
    state::State,
    stream_body::{Settings, StreamBody, Unopened},
};

/// Answers a chat of a door, plain and streamed.
pub(crate) async fn chat<B: http_body::Body<Data = Bytes>>(
    door: &'static dyn Door,
    state: &State,
    request: Request<B>,
    caller: Option<&Caller>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = match state.bodies.read(body).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let parsed = door.request(body, &parts.headers).and_then(|request| {
        door.take_fields(match options(&parts.headers, caller)? {
            Some(options) => request.with_options(options),
            None => request,
        })
    });
    let (request, preference) = match parsed {
        Ok(parsed) => parsed,
        Err(invalid) => return error::respond(&Error::InvalidRequest(invalid), state.exposed),
    };
    let request = state.restrict(request);
    let head = request.head().clone();
    let response = if head.stream {
        streamed(door, state, request, preference).await
    } else {
        plain(door, state, request).await
    };
    response.unwrap_or_else(|error| match error {
        Error::Blocked(ended) => blocked(door, &ended.cause, &ended.report, &head, state.exposed),
        error => error::respond(&preference.name_in(error), state.exposed),
    })
}

async fn plain(door: &dyn Door, state: &State, request: ChatRequest) -> Result<Response, Error> {
    let model = request.head().model.clone();
    let Answer { reply, report, .. } = state.client.chat(request).await?;
    let body = match &reply.raw {
        Some(Raw { dialect, bytes }) if *dialect == door.dialect() => {
            if reply.complete {
                bytes.clone()
            } else {
                door.complete(bytes, &model)
            }
        }
        _ => door.reply(&reply, &model),
    };
    let mut response = response(JSON, body);
    write_report_headers(response.headers_mut(), &report, &reply.meta.notes, state.exposed);
    Ok(response)
}

async fn streamed(
    door: &'static dyn Door,
    state: &State,
    request: ChatRequest,
    preference: IsSetByField,
) -> Result<Response, Error> {
    let head = request.head().clone();
    let settings = Settings {
        door,
        printer: door.printer(&head),
        heartbeat: state.heartbeat,
        exposed: state.exposed,
        shutdown: state.shutdown.clone(),
    };
    let Some(early) = state.early_headers else {
        let stream = state.client.stream(request).await?;
        return Ok(open_stream(stream, settings));
    };
    let client = state.client.clone();
    let mut opening = Box::pin(async move { client.stream(request).await });
    match timeout(early, &mut opening).await {
        Ok(opened) => Ok(open_stream(opened?, settings)),
        Err(_elapsed) => {
            let exposed = state.exposed;
            let opening = Box::pin(async move {
                let opened = opening.await;
                opened.map_err(|error| unopened(door, &preference.name_in(error), &head, exposed))
            });
            let body = Body::stream(StreamBody::opening(opening, settings));
            let mut response = response(EVENT_STREAM, body);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            Ok(response)
        }
    }
}

fn open_stream(stream: ChatStream, settings: Settings) -> Response {
    let (report, notes) = (stream.report(), stream.meta().notes.clone());
    let exposed = settings.exposed;
    let mut response = response(EVENT_STREAM, Body::stream(StreamBody::new(stream, settings)));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    write_report_headers(headers, &report, &notes, exposed);
    response
}

/// Returns the body of a stream for a request that failed, or was blocked, after the head of its response was sent.
fn unopened(door: &dyn Door, error: &Error, head: &Head, exposed: Exposed) -> Unopened {
    let comments = error.report().map(|report| report_comments(report, &[], exposed)).unwrap_or_default();
    let after_comments = |events: &[u8]| [&*comments, events].concat().into();
    match error {
        Error::Blocked(ended) if print_block(door, &ended.cause, head).0 == 200 => {
            Unopened::Complete(after_comments(&block_stream(door, &ended.cause, head)))
        }
        error => Unopened::Failed(after_comments(&error::event(door, error, exposed))),
    }
}

/// Returns a content-policy refusal in the form that its provider gave it. A refusal in another dialect is printed in that
/// of the door, and as a stream if the client requested one.
fn blocked(door: &dyn Door, block: &Block, report: &Report, head: &Head, exposed: Exposed) -> Response {
    let (status, body) = print_block(door, block, head);
    let as_stream = head.stream && status == 200;
    let mut response = if as_stream {
        response(EVENT_STREAM, block_stream(door, block, head))
    } else {
        response(JSON, body)
    };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    write_report_headers(headers, report, &[], exposed);
    response
}

/// Returns status and body of a block: as its provider gave them, or else as the provider of the dialect would.
fn print_block(door: &dyn Door, block: &Block, head: &Head) -> (u16, Bytes) {
    match &block.form {
        BlockForm::Body { status, raw: Some(Raw { dialect, bytes }) } if *dialect == door.dialect() => {
            (*status, bytes.clone())
        }
        _ => door.block(block, &head.model),
    }
}

/// Prints a block that arrived as a complete body as the equivalent stream.
fn block_stream(door: &dyn Door, block: &Block, head: &Head) -> Bytes {
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
    door.printer(head).print(&events, &mut printed);
    printed.freeze()
}
