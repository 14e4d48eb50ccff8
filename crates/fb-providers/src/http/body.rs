use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use fb_core::Failure;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::error;

/// The body of a request in slices, so that unchanged parts of the caller's body are sent without copying.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyParts(VecDeque<Bytes>);

impl BodyParts {
    /// Converts the body for a client of reqwest.
    pub(super) fn into_reqwest(mut self) -> reqwest::Body {
        match self.0.len() {
            0 => reqwest::Body::from(Bytes::new()),
            1 => reqwest::Body::from(self.0.pop_front().unwrap_or_default()),
            _ => reqwest::Body::wrap(self),
        }
    }

    fn size(&self) -> u64 {
        self.0.iter().map(|part| part.len() as u64).sum()
    }

    /// Concatenates all slices.
    pub(crate) fn concat(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for part in &self.0 {
            body.extend_from_slice(part);
        }
        body
    }
}

impl FromIterator<Bytes> for BodyParts {
    fn from_iter<I: IntoIterator<Item = Bytes>>(parts: I) -> Self {
        Self(parts.into_iter().filter(|part| !part.is_empty()).collect())
    }
}

impl From<Bytes> for BodyParts {
    fn from(whole: Bytes) -> Self {
        Self::from_iter([whole])
    }
}

impl Body for BodyParts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size())
    }
}

/// The body of a response, by the client that receives it.
#[derive(Debug)]
pub(super) enum Incoming {
    Direct(hyper::body::Incoming),
    Reqwest(reqwest::Body),
}

impl Incoming {
    /// Returns the next bytes, or `None` at the complete end of the body.
    ///
    /// # Cancel safety
    /// Cancel safe: no bytes are lost.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = match self {
                Self::Direct(body) => body.frame().await.map(|frame| frame.map_err(error::in_body)),
                Self::Reqwest(body) => {
                    body.frame().await.map(|frame| frame.map_err(|error| error::in_body(error.without_url())))
                }
            };
            match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => return Ok(Some(data)),
                // Trailers, of which no provider sends any that matter.
                Some(Err(_trailers)) => {}
                None => return Ok(None),
            }
        }
    }
}
