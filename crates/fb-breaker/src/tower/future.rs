use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::{call::CallError, permit::Permit, state::Rejected, weight::Weight};

use super::body::BreakerBody;

pin_project! {
    /// The response future of a [`BreakerService`](crate::BreakerService).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the permit: no verdict is recorded, and the slot of a probe is freed.
    #[derive(Debug)]
    pub struct BreakerFuture<F, C> {
        #[pin]
        call: Call<F, C>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum Call<F, C> {
        Rejected { rejected: Rejected },
        Called { #[pin] inner: F, permit: Option<Permit>, classify: C },
    }
}

impl<F, C> BreakerFuture<F, C> {
    pub(super) fn called(inner: F, permit: Permit, classify: C) -> Self {
        Self { call: Call::Called { inner, permit: Some(permit), classify } }
    }

    pub(super) fn rejected(rejected: Rejected) -> Self {
        Self { call: Call::Rejected { rejected } }
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
        let (inner, permit, classify) = match self.project().call.project() {
            Projected::Rejected { rejected } => return Poll::Ready(Err(CallError::Rejected(*rejected))),
            Projected::Called { inner, permit, classify } => (inner, permit, classify),
        };
        let result = ready!(inner.poll(context));
        let permit = permit.take();
        Poll::Ready(match result {
            Ok(response) => {
                let weight = classify(response.status(), response.headers());
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
