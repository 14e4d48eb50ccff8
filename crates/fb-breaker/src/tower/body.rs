use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    permit::{Permit, Tail},
    weight::Weight,
};

pin_project! {
    /// The body of a response whose end the breaker hears of.
    ///
    /// Its first data makes the call a success so far, which an error after it takes back. An error before it is a
    /// whole failure as well, and an end without any data a success.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first data, the breaker hears nothing and a probe's slot is free again; dropped after it, the
    /// call stays a success.
    #[derive(Debug)]
    pub struct BreakerBody<B> {
        #[pin]
        inner: B,
        heard: Heard,
    }
}

/// What the breaker has heard of the call.
#[derive(Debug)]
enum Heard {
    Nothing(Permit),
    Begun(Tail),
    All,
}

impl<B: Body> BreakerBody<B> {
    /// Without a permit it is only passed on.
    pub(super) fn new(inner: B, permit: Option<Permit>, weight: Option<Weight>) -> Self {
        let heard = match (permit.map_or(Heard::All, Heard::Nothing), weight) {
            (heard, Some(weight)) => heard.fail(weight),
            (heard, None) if inner.is_end_stream() => heard.end(),
            (heard, None) => heard,
        };
        Self { inner, heard }
    }
}

impl Heard {
    fn begin(self) -> Self {
        let Self::Nothing(permit) = self else { return self };
        let now = permit.now();
        Self::Begun(permit.provisional(now))
    }

    fn end(self) -> Self {
        if let Self::Nothing(permit) = self {
            let now = permit.now();
            permit.success(now);
        }
        Self::All
    }

    fn fail(self, weight: Weight) -> Self {
        match self {
            Self::Nothing(permit) => {
                let now = permit.now();
                permit.failure(weight, now);
            }
            Self::Begun(tail) => {
                let now = tail.now();
                tail.failure(weight, now);
            }
            Self::All => {}
        }
        Self::All
    }
}

impl<B: Body> Body for BreakerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut body = self.project();
        let polled = ready!(body.inner.as_mut().poll_frame(context));
        let heard = std::mem::replace(body.heard, Heard::All);
        *body.heard = match &polled {
            Some(Err(_)) => heard.fail(Weight::FULL),
            Some(Ok(frame)) if frame.is_data() => heard.begin(),
            // Who asks whether it has ended need not ask for another frame.
            Some(Ok(_)) if !body.inner.is_end_stream() => heard,
            Some(Ok(_)) | None => heard.end(),
        };
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
