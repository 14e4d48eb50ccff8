//! Anthropic's dialect of `POST /v1/messages`.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use fb::{Allowances, Block, ChatRequest, Dialect, Head, InvalidRequest, Reply, StreamEvent};
use fb_wire::{anthropic, sse};
use http::{HeaderMap, HeaderName};

use crate::{
    door::{Door, EventPrinter, PrintedError},
    limit_headers,
};

/// Anthropic's dialect.
#[derive(Debug)]
pub(crate) struct AnthropicMessages;

/// The header in which clients of Anthropic read the id of a request.
static REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The headers that a target of this dialect gets as the caller sent them.
const CARRIED: [&str; 2] = ["anthropic-version", "anthropic-beta"];

impl Door for AnthropicMessages {
    fn dialect(&self) -> Dialect {
        Dialect::Anthropic
    }

    fn request(&self, body: Bytes, headers: &HeaderMap) -> Result<ChatRequest, InvalidRequest> {
        let carried = CARRIED.into_iter().flat_map(|name| {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.map(move |value| (name.to_owned(), value.to_owned()))
        });
        Ok(anthropic::request(body)?.with_dialect_headers(carried.collect()))
    }

    fn reply(&self, reply: &Reply, model: &str) -> Bytes {
        anthropic::print_reply(reply, model)
    }

    fn block(&self, block: &Block, model: &str) -> (u16, Bytes) {
        anthropic::print_block(block, model)
    }

    fn printer(&self, head: &Head) -> Box<dyn EventPrinter> {
        Box::new(anthropic::EventPrinter::new(&head.model))
    }

    fn error(&self, error: &PrintedError<'_>) -> Bytes {
        anthropic::error_body(error_type(error.status), error.message, error.request_id)
    }

    fn error_event(&self, error: &PrintedError<'_>) -> Bytes {
        anthropic::error_event(error_type(error.status), error.message, error.request_id)
    }

    fn heartbeat(&self) -> Bytes {
        sse::event(Some("ping"), br#"{"type":"ping"}"#)
    }

    fn write_request_id(&self, headers: &mut HeaderMap) {
        if let Some(id) = headers.get("x-request-id").cloned() {
            headers.insert(&REQUEST_ID, id);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the API has times of day in its headers")]
    fn write_limits(&self, headers: &mut HeaderMap, allowances: &Allowances) {
        limit_headers::write_anthropic(headers, allowances, SystemTime::now());
    }
}

impl EventPrinter for anthropic::EventPrinter {
    fn print(&mut self, events: &[StreamEvent], out: &mut BytesMut) {
        Self::print(self, events, out);
    }

    fn forward(&mut self, bytes: &Bytes) {
        Self::forward(self, bytes);
    }
}

/// Returns the type that Anthropic gives errors with this status.
const fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}
