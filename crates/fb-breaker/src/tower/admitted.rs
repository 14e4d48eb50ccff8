use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{breaker::Breaker, permit::Permit, state::Rejected};

/// The output of a call with the permit to settle, or its rejection.
type Settled<F> = Result<(<F as Future>::Output, Option<Permit>), Rejected>;

pin_project! {
    /// A call that a breaker admitted, with its permit, or its rejection. Dropping it drops the permit: no verdict is recorded, and
    /// the slot of a probe is freed.
    #[derive(Debug)]
    #[project = Projected]
    pub(super) enum Admitted<F> {
        Rejected { rejected: Rejected },
        Called { #[pin] inner: F, permit: Option<Permit> },
    }
}

impl<F> Admitted<F> {
    /// Makes the call if the breaker admits it.
    pub(super) fn call(breaker: &Breaker, call: impl FnOnce() -> F) -> Self {
        match breaker.try_acquire(breaker.now()) {
            Ok(permit) => Self::Called { inner: call(), permit: Some(permit) },
            Err(rejected) => Self::Rejected { rejected },
        }
    }
}

impl<F: Future> Admitted<F> {
    /// Returns the output of the call with the permit to settle.
    pub(super) fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled<F>> {
        match self.project() {
            Projected::Rejected { rejected } => Poll::Ready(Err(*rejected)),
            Projected::Called { inner, permit } => {
                let output = ready!(inner.poll(context));
                Poll::Ready(Ok((output, permit.take())))
            }
        }
    }
}
