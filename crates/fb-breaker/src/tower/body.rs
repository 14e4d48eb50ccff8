use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    permit::{Permit, ProvisionalPermit},
    weight::Weight,
};

pin_project! {
    /// A response body that settles the call at its end.
    ///
    /// The first data settles the call provisionally as a success; a later error revokes it. An error before any data is a
    /// whole failure, and an end without data is a success.
    ///
    /// # Cancel safety
    ///
    /// If the body is dropped before its first data, no verdict is recorded and the slot of a probe is freed. If it is
    /// dropped later, the call stays a success.
    #[derive(Debug)]
    pub struct BreakerBody<B> {
        #[pin]
        inner: B,
        progress: Progress,
    }
}

/// The progress of settling the call.
#[derive(Debug)]
enum Progress {
    Pending(Permit),
    Provisional(ProvisionalPermit),
    Settled,
}

impl<B: Body> BreakerBody<B> {
    /// Wraps a body. Without a permit it is only forwarded.
    pub(super) fn new(inner: B, permit: Option<Permit>, weight: Option<Weight>) -> Self {
        let progress = match (permit.map_or(Progress::Settled, Progress::Pending), weight) {
            (progress, Some(weight)) => progress.fail(weight),
            (progress, None) if inner.is_end_stream() => progress.complete(),
            (progress, None) => progress,
        };
        Self { inner, progress }
    }
}

impl Progress {
    fn first_data(self) -> Self {
        let Self::Pending(permit) = self else { return self };
        let now = permit.now();
        Self::Provisional(permit.provisional(now))
    }

    fn complete(self) -> Self {
        match self {
            Self::Pending(permit) => {
                let now = permit.now();
                permit.success(now);
            }
            Self::Provisional(permit) => {
                let now = permit.now();
                permit.success(now);
            }
            Self::Settled => {}
        }
        Self::Settled
    }

    fn fail(self, weight: Weight) -> Self {
        match self {
            Self::Pending(permit) => {
                let now = permit.now();
                permit.failure(weight, now);
            }
            Self::Provisional(permit) => {
                let now = permit.now();
                permit.failure(weight, now);
            }
            Self::Settled => {}
        }
        Self::Settled
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
        let progress = std::mem::replace(body.progress, Progress::Settled);
        *body.progress = match &polled {
            Some(Err(_)) => progress.fail(Weight::FULL),
            Some(Ok(frame)) if frame.is_data() => progress.first_data(),
            // A caller that checks `is_end_stream` may not poll for another frame.
            Some(Ok(_)) if !body.inner.is_end_stream() => progress,
            Some(Ok(_)) | None => progress.complete(),
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
