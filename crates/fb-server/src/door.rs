//! A door: a dialect of callers, on top of one folder of fb-wire. What happens between reading a request and printing its
//! answer is the same for all doors.

use std::fmt;

use bytes::{Bytes, BytesMut};
use fb::{
    Allowances, Block, ChatRequest, Dialect, ErrorCode, ErrorType, Head, HttpError, InvalidRequest, Reply,
    StreamEvent,
};
use http::HeaderMap;

use crate::preferred_provider::IsSetByField;

/// A dialect of callers: how their requests are read, and how answers and errors are printed.
pub(crate) trait Door: fmt::Debug + Send + Sync + 'static {
    /// Returns the dialect. Answers and events in it are forwarded as they arrive.
    fn dialect(&self) -> Dialect;

    /// Reads a request with this body and these headers.
    ///
    /// # Errors
    /// The field at fault, with its value and what was expected.
    fn request(&self, body: Bytes, headers: &HeaderMap) -> Result<ChatRequest, InvalidRequest>;

    /// Removes the fields that only the gateway reads, and sets what they demand.
    ///
    /// # Errors
    /// The field at fault, with its value and what was expected.
    fn take_fields(&self, request: ChatRequest) -> Result<(ChatRequest, IsSetByField), InvalidRequest> {
        Ok((request, IsSetByField::NO))
    }

    /// Prints an answer of another dialect; `model` is used if the provider named none.
    fn reply(&self, reply: &Reply, model: &str) -> Bytes;

    /// Adds required fields to an answer in this dialect that lacks some.
    fn complete(&self, body: &Bytes, _model: &str) -> Bytes {
        body.clone()
    }

    /// Prints a content-policy refusal of another dialect, with its status.
    fn block(&self, block: &Block, model: &str) -> (u16, Bytes);

    /// Creates the printer of one streamed answer.
    fn printer(&self, head: &Head) -> Box<dyn EventPrinter>;

    /// Prints the body of an error.
    fn error(&self, error: &PrintedError<'_>) -> Bytes;

    /// Prints an error as the last event of a stream.
    fn error_event(&self, error: &PrintedError<'_>) -> Bytes;

    /// Prints an event without content for a time of silence.
    fn heartbeat(&self) -> Bytes;

    /// Adds what is left of the caller's limits.
    fn write_limits(&self, headers: &mut HeaderMap, allowances: &Allowances);

    /// Repeats `x-request-id` under the name that clients of this dialect look for, if it is another.
    fn write_request_id(&self, _headers: &mut HeaderMap) {}
}

/// Prints the events of one answer in the dialect of a door.
pub(crate) trait EventPrinter: Send {
    /// Appends the events of an answer in another dialect.
    fn print(&mut self, events: &[StreamEvent], out: &mut BytesMut);

    /// Follows events in this dialect that are forwarded as they are.
    fn forward(&mut self, _bytes: &Bytes) {}
}

/// An error as its caller reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrintedError<'a> {
    pub(crate) status: u16,
    pub(crate) kind: ErrorKind,
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    /// The field or header at fault.
    pub(crate) param: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    Type(ErrorType),
    /// A stream that broke after its head was sent.
    Broken,
}

impl<'a> PrintedError<'a> {
    pub(crate) fn new(http: HttpError, message: &'a str, param: Option<&'a str>) -> Self {
        let kind = ErrorKind::Type(http.error_type);
        Self { status: http.status, kind, code: http.code, message, param, request_id: None }
    }

    /// Creates the error of a stream that the server ends.
    pub(crate) fn ended(message: &'a str) -> Self {
        Self::new(ErrorCode::Overloaded.http(), message, None)
    }
}
