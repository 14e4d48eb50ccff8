//! The breaker as a tower layer around an HTTP service.

use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use self::admitted::Admitted;
use crate::{breaker::Breaker, call::CallError, weight::Weight};

pub use self::body::BreakerBody;
pub use self::calls::{CallFuture, CallLayer, CallService, Verdict};
pub use self::future::BreakerFuture;

mod admitted;
mod body;
mod calls;
mod future;

/// A layer that guards HTTP services with a [`Breaker`], shared by all services of the layer. Feature `tower`.
///
/// `classify` is called with the head of every response: `Some` settles the call as a failure of this weight. With `None`
/// the body decides: its end is a success, an error a failure. The first data of the body settles the call provisionally
/// and frees its slot.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
///
/// use fb_breaker::{Breaker, BreakerConfig, BreakerLayer, by_status};
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Client;
/// let breaker = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// let layer = BreakerLayer::new(breaker, by_status);
/// let guarded = layer.layer(Client);
/// # Ok::<(), fb_breaker::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct BreakerLayer<C> {
    breaker: Breaker,
    classify: C,
}

/// A service that makes only the calls that a [`Breaker`] admits. Created by [`BreakerLayer`].
///
/// `poll_ready` forwards to the inner service and takes no permit, so that a service dropped after `poll_ready` leaks none.
/// `call` takes the permit; if it is rejected, the inner service is not called.
///
/// The error is [`CallError`]: a rejection, or an error of the inner service, which counts as [`Weight::FULL`].
#[derive(Clone, Debug)]
pub struct BreakerService<S, C> {
    inner: S,
    breaker: Breaker,
    classify: C,
}

/// Classifies a response by its status: 5xx is a whole failure; 429 is a quarter of a failure in the rate window, does not
/// count towards the streak and fails a probe; all others are successes.
pub fn by_status(status: StatusCode, _headers: &HeaderMap) -> Option<Weight> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Weight { window: 25, streak: false, ..Weight::FULL }),
        status if status.is_server_error() => Some(Weight::FULL),
        _ => None,
    }
}

impl<C> BreakerLayer<C> {
    /// Creates a layer. [`by_status`] is a simple `classify`.
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
        let call = Admitted::call(&self.breaker, || self.inner.call(request));
        BreakerFuture::new(call, self.classify.clone())
    }
}

#[cfg(test)]
mod tests;
