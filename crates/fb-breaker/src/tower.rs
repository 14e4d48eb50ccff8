//! The breaker as a layer around an HTTP service.

use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::{breaker::Breaker, call::CallError, weight::Weight};

pub use self::body::BreakerBody;
pub use self::future::BreakerFuture;

mod body;
mod future;

/// Puts a [`Breaker`] around services. All of them share it. Feature `tower`.
///
/// What a response says of the target is asked of `classify` when its head is there: `Some` is a failure of this
/// weight. With `None` the body decides: its end is a success, an error in it a failure. The slot is free again from
/// its first data on.
#[derive(Clone, Debug)]
pub struct BreakerLayer<C> {
    breaker: Breaker,
    classify: C,
}

/// A service that makes only the calls a [`Breaker`] admits. Made by [`BreakerLayer`].
///
/// To be ready is up to the service inside and takes no permit: a service that was readied and dropped holds none.
/// The permit is taken by `call`; without one the service inside is not called.
///
/// Its error is [`CallError`]: rejected, or that of the service inside, which is a whole failure of the target.
#[derive(Clone, Debug)]
pub struct BreakerService<S, C> {
    inner: S,
    breaker: Breaker,
    classify: C,
}

/// What a status says: 5xx is a whole failure; 429 is a quarter of one in the rate, none in the streak, and fails a
/// probe; all others are good.
pub fn by_status(status: StatusCode, _headers: &HeaderMap) -> Option<Weight> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Weight { window: 25, streak: false, ..Weight::FULL }),
        status if status.is_server_error() => Some(Weight::FULL),
        _ => None,
    }
}

impl<C> BreakerLayer<C> {
    /// A layer of this breaker. [`by_status`] is a `classify` to begin with.
    pub fn new(breaker: Breaker, classify: C) -> Self {
        Self { breaker, classify }
    }
}

impl<S, C: Clone> Layer<S> for BreakerLayer<C> {
    type Service = BreakerService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService { inner, breaker: self.breaker.clone(), classify: self.classify.clone() }
    }
}

impl<S, C, B, ResBody> Service<Request<B>> for BreakerService<S, C>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    C: Fn(StatusCode, &HeaderMap) -> Option<Weight> + Clone,
    ResBody: http_body::Body,
{
    type Response = Response<BreakerBody<ResBody>>;
    type Error = CallError<S::Error>;
    type Future = BreakerFuture<S::Future, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Failed)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.breaker.try_acquire(self.breaker.now()) {
            Ok(permit) => BreakerFuture::called(self.inner.call(request), permit, self.classify.clone()),
            Err(rejected) => BreakerFuture::rejected(rejected),
        }
    }
}

#[cfg(test)]
mod tests;
