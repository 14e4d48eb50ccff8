use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::{call::CallError, weight::Weight};

use super::{admitted::Admitted, body::BreakerBody};

pin_project! {
    /// The response future of a [`BreakerService`](crate::BreakerService).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the permit: no verdict is recorded, and the slot of a probe is freed.
    #[derive(Debug)]
    pub struct BreakerFuture<F, C> {
        #[pin]
        call: Admitted<F>,
        classify: C,
    }
}

impl<F, C> BreakerFuture<F, C> {
    pub(super) const fn new(call: Admitted<F>, classify: C) -> Self {
        Self { call, classify }
    }
}

impl<F, C, B, E> Future for BreakerFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    C: Fn(StatusCode, &HeaderMap) -> Option<Weight>,
    B: http_body::Body,
{
    type Output = Result<Response<BreakerBody<B>>, CallError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, permit) = match ready!(this.call.poll(context)) {
            Ok(called) => called,
            Err(rejected) => return Poll::Ready(Err(CallError::Rejected(rejected))),
        };
        Poll::Ready(match result {
            Ok(response) => {
                let weight = (this.classify)(response.status(), response.headers());
                Ok(response.map(|body| BreakerBody::new(body, permit, weight)))
            }
            Err(error) => {
                if let Some(permit) = permit {
                    let now = permit.now();
                    permit.failure(Weight::FULL, now);
                }
                Err(CallError::Failed(error))
            }
        })
    }
}
