//! Parts shared by both services: methods, path parameters and the response future.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use fb::ErrorCode;
use http::{HeaderValue, Method, header};
use http_body::Body as _;
use percent_encoding::percent_decode_str;

use crate::{
    body::{Body, Response},
    error::Rejection,
};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The future of a response.
///
/// # Cancel safety
///
/// Dropping the future cancels the request and its calls to providers. Permits, reservations and slots are released.
pub struct ResponseFuture {
    response: Pin<Box<dyn Future<Output = Response> + Send>>,
    is_head: bool,
}

impl ResponseFuture {
    /// Creates the future of a response to a request with this method. The response to `HEAD` loses its body.
    pub(crate) fn new(method: &Method, response: impl Future<Output = Response> + Send + 'static) -> Self {
        // Boxed as it is: a future around it would hold it twice, and be copied to the heap with both.
        Self { response: Box::pin(response), is_head: method == Method::HEAD }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.response.as_mut().poll(cx));
        Poll::Ready(Ok(if self.is_head { without_body(response) } else { response }))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// The methods that a path accepts. `HEAD` is accepted wherever `GET` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Methods {
    Get,
    Post,
    Delete,
    GetAndPost,
    PutAndDelete,
}

impl Methods {
    pub(crate) fn accept(self, method: &Method) -> bool {
        let is_read = method == Method::GET || method == Method::HEAD;
        match self {
            Self::Get => is_read,
            Self::Post => method == Method::POST,
            Self::Delete => method == Method::DELETE,
            Self::GetAndPost => is_read || method == Method::POST,
            Self::PutAndDelete => method == Method::PUT || method == Method::DELETE,
        }
    }

    /// Returns the response to any other method, with the accepted ones in `Allow`.
    pub(crate) fn refuse(self, method: &Method, path: &str) -> Response {
        let allow = match self {
            Self::Get => "GET,HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::GetAndPost => "GET,HEAD,POST",
            Self::PutAndDelete => "DELETE,PUT",
        };
        let message = format!("{method} is not allowed for {path}");
        let mut response = Rejection::new(ErrorCode::MethodNotAllowed, message).into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        response
    }
}

pub(crate) fn no_such_path(method: &Method, path: &str) -> Response {
    Rejection::new(ErrorCode::UnknownUrl, format!("no such path: {method} {path}")).into_response()
}

/// Decodes a path parameter.
pub(crate) fn path_parameter(raw: &str) -> Result<String, Rejection> {
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|error| {
        Rejection::new(ErrorCode::InvalidRequest, format!("the path is not valid UTF-8: {error}"))
    })?;
    Ok(decoded.into_owned())
}

/// Removes the body of the response to a `HEAD` request and keeps its length as a header.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
    response
}
