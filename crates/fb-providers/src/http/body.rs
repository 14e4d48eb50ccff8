use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A request's body in slices: what the caller wrote goes out between what we changed, without being copied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(VecDeque<Bytes>);

impl Parts {
    pub(crate) fn into_body(mut self) -> reqwest::Body {
        match self.0.len() {
            0 => reqwest::Body::from(Bytes::new()),
            1 => reqwest::Body::from(self.0.pop_front().unwrap_or_default()),
            _ => reqwest::Body::wrap(self),
        }
    }

    fn size(&self) -> u64 {
        self.0.iter().map(|part| part.len() as u64).sum()
    }

    /// All slices in one piece.
    pub(crate) fn concat(&self) -> Vec<u8> {
        let mut whole = Vec::new();
        for part in &self.0 {
            whole.extend_from_slice(part);
        }
        whole
    }
}

impl FromIterator<Bytes> for Parts {
    fn from_iter<I: IntoIterator<Item = Bytes>>(parts: I) -> Self {
        Self(parts.into_iter().filter(|part| !part.is_empty()).collect())
    }
}

impl From<Bytes> for Parts {
    fn from(whole: Bytes) -> Self {
        Self::from_iter([whole])
    }
}

impl Body for Parts {
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
