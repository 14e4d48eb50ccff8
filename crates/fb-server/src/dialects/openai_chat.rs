//! OpenAI's dialect of `POST /v1/chat/completions`.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use fb::{Allowances, Block, ChatRequest, Dialect, ErrorType, Head, InvalidRequest, Reply, StreamEvent};
use fb_wire::{
    openai::{self, ChunkPrinter, Stamp},
    sse,
};
use http::HeaderMap;

use crate::{
    door::{Door, ErrorKind, EventPrinter, PrintedError},
    limit_headers,
    preferred_provider::{self, IsSetByField},
};

/// OpenAI's dialect.
#[derive(Debug)]
pub(crate) struct OpenAiChat;

/// The text of a comment in a time of silence.
const HEARTBEAT: &str = "heartbeat";

impl Door for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAi
    }

    fn request(&self, body: Bytes, _headers: &HeaderMap) -> Result<ChatRequest, InvalidRequest> {
        openai::request(body)
    }

    fn take_fields(&self, request: ChatRequest) -> Result<(ChatRequest, IsSetByField), InvalidRequest> {
        preferred_provider::take(request)
    }

    fn reply(&self, reply: &Reply, model: &str) -> Bytes {
        openai::print_reply(reply, stamp(), model)
    }

    fn complete(&self, body: &Bytes, model: &str) -> Bytes {
        openai::complete(body, stamp(), model)
    }

    fn block(&self, block: &Block, model: &str) -> (u16, Bytes) {
        openai::print_block(block, stamp(), model)
    }

    fn printer(&self, head: &Head) -> Box<dyn EventPrinter> {
        Box::new(ChunkPrinter::new(stamp(), &head.model, head.include_usage))
    }

    fn error(&self, error: &PrintedError<'_>) -> Bytes {
        openai::error_body(error.message, error_type(error.kind), error.param, Some(error.code))
    }

    fn error_event(&self, error: &PrintedError<'_>) -> Bytes {
        openai::error_event(error.message, error_type(error.kind), error.param, Some(error.code))
    }

    fn heartbeat(&self) -> Bytes {
        sse::comment(HEARTBEAT)
    }

    fn write_limits(&self, headers: &mut HeaderMap, allowances: &Allowances) {
        limit_headers::write_openai(headers, allowances);
    }
}

impl EventPrinter for ChunkPrinter {
    fn print(&mut self, events: &[StreamEvent], out: &mut BytesMut) {
        Self::print(self, events, out);
    }
}

const fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Type(ErrorType::InvalidRequest) => "invalid_request_error",
        ErrorKind::Type(ErrorType::InsufficientQuota) => "insufficient_quota",
        ErrorKind::Type(ErrorType::RateLimit) => "rate_limit_error",
        ErrorKind::Type(ErrorType::Unavailable) => "service_unavailable_error",
        ErrorKind::Type(ErrorType::Api) => "api_error",
        ErrorKind::Broken => "upstream_error",
    }
}

/// Returns the current time and a random number, for answers that lack `created` or an id.
#[expect(clippy::disallowed_methods, reason = "a wall-clock field of the answer, no decision depends on it")]
fn stamp() -> Stamp {
    let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Stamp { created, unique: fastrand::u64(..) }
}
