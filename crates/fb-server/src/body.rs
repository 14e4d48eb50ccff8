//! Response bodies.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_TYPE};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use serde_json::Value;

use crate::{connection::InFlightGuard, stream_body::StreamBody};

pub(crate) type Response = http::Response<Body>;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The body of a response: either complete, with a known length, or a stream of server-sent events.
///
/// Dropping the body of a stream cancels the call to the provider.
pub struct Body {
    kind: Kind,
    /// Counts the request until its response was sent.
    _in_flight: Option<InFlightGuard>,
}

enum Kind {
    Complete(Full<Bytes>),
    Stream(Box<StreamBody>),
}

impl Body {
    pub(crate) fn stream(stream: StreamBody) -> Self {
        Self::from_kind(Kind::Stream(Box::new(stream)))
    }

    pub(crate) fn empty() -> Self {
        Self::from_kind(Kind::Complete(Full::default()))
    }

    const fn from_kind(kind: Kind) -> Self {
        Self { kind, _in_flight: None }
    }

    /// Counts a request as being answered until the body is dropped.
    pub(crate) fn with_guard(self, guard: InFlightGuard) -> Self {
        Self { _in_flight: Some(guard), ..self }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::from_kind(Kind::Complete(Full::new(bytes.into())))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.get_mut().kind {
            Kind::Complete(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Stream(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Complete(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Complete(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Complete(_) => "Body(complete)",
            Kind::Stream(_) => "Body(stream)",
        })
    }
}

/// Returns a response with status 200.
pub(crate) fn response(content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

pub(crate) fn json(body: &Value) -> Response {
    response(JSON, body.to_string())
}

pub(crate) fn text(body: impl Into<Bytes>) -> Response {
    response(TEXT, body)
}
