//! The breaker as a layer around services of any kind.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::admitted::Admitted;
use crate::{breaker::Breaker, call::CallError, weight::Weight};

/// The verdict on a completed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The target works.
    Success,
    /// The target failed, with this weight.
    Failure(Weight),
    /// No evidence about the target, as with an invalid request.
    Neutral,
}

/// A layer that guards services of any request and response with a [`Breaker`], shared by all services of the layer. Feature
/// `tower`.
///
/// `classify` is called with every result of the inner service, which is then complete: a body that is still to be read
/// counts for [`BreakerLayer`](crate::BreakerLayer) only.
///
/// # Examples
///
/// Around `reqwest::Client`, which is a service of `reqwest::Request`:
///
/// ```
/// use std::time::Instant;
///
/// use fb_breaker::{Breaker, BreakerConfig, CallLayer, Verdict, Weight};
/// use tower_layer::Layer;
/// # mod reqwest {
/// #     #[derive(Clone)] pub struct Client;
/// #     pub struct Response;
/// #     impl Response { pub fn status(&self) -> http::StatusCode { http::StatusCode::OK } }
/// #     pub struct Error;
/// # }
///
/// let breaker = Breaker::new(BreakerConfig::default(), Instant::now)?;
/// let classify = |result: Result<&reqwest::Response, &reqwest::Error>| match result {
///     Ok(response) if !response.status().is_server_error() => Verdict::Success,
///     _ => Verdict::Failure(Weight::FULL),
/// };
/// let guarded = CallLayer::new(breaker, classify).layer(reqwest::Client);
/// # Ok::<(), fb_breaker::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallLayer<C> {
    breaker: Breaker,
    classify: C,
}

/// A service that makes only the calls that a [`Breaker`] admits. Created by [`CallLayer`].
///
/// `poll_ready` forwards to the inner service and takes no permit; `call` takes it. The error is [`CallError`].
#[derive(Clone, Debug)]
pub struct CallService<S, C> {
    inner: S,
    breaker: Breaker,
    classify: C,
}

impl<C> CallLayer<C> {
    /// Creates a layer.
    pub fn new(breaker: Breaker, classify: C) -> Self {
        Self { breaker, classify }
    }
}

impl<S, C: Clone> Layer<S> for CallLayer<C> {
    type Service = CallService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService { inner, breaker: self.breaker.clone(), classify: self.classify.clone() }
    }
}

impl<S, C, R> Service<R> for CallService<S, C>
where
    S: Service<R>,
    C: Fn(Result<&S::Response, &S::Error>) -> Verdict + Clone,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = CallFuture<S::Future, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Failed)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let call = Admitted::call(&self.breaker, || self.inner.call(request));
        CallFuture { call, classify: self.classify.clone() }
    }
}

pin_project! {
    /// The response future of a [`CallService`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the permit: no verdict is recorded, and the slot of a probe is freed.
    #[derive(Debug)]
    pub struct CallFuture<F, C> {
        #[pin]
        call: Admitted<F>,
        classify: C,
    }
}

impl<F, C, T, E> Future for CallFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Fn(Result<&T, &E>) -> Verdict,
{
    type Output = Result<T, CallError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, permit) = match ready!(this.call.poll(context)) {
            Ok(called) => called,
            Err(rejected) => return Poll::Ready(Err(CallError::Rejected(rejected))),
        };
        if let Some(permit) = permit {
            let now = permit.now();
            match (this.classify)(result.as_ref()) {
                Verdict::Success => permit.success(now),
                Verdict::Failure(weight) => permit.failure(weight, now),
                Verdict::Neutral => permit.neutral(now),
            }
        }
        Poll::Ready(result.map_err(CallError::Failed))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{Ready, pending, ready},
        pin::pin,
        task::Waker,
    };

    use super::*;
    use crate::{BreakerConfig, RejectReason, virtual_time};

    /// Returns its request, counted by the test.
    struct Echo(u32);

    impl Service<u16> for Echo {
        type Response = u16;
        type Error = Infallible;
        type Future = Ready<Result<u16, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: u16) -> Self::Future {
            self.0 += 1;
            ready(Ok(request))
        }
    }

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn results_are_classified_and_rejected_calls_are_not_made() {
        let config = BreakerConfig { consecutive: Some(2), ..BreakerConfig::default() };
        let breaker = Breaker::new(config, virtual_time::now).unwrap();
        let classify = |result: Result<&u16, &Infallible>| match result {
            Ok(500..) => Verdict::Failure(Weight::FULL),
            Ok(400..) => Verdict::Neutral,
            Ok(_) | Err(_) => Verdict::Success,
        };
        let mut service = CallLayer::new(breaker.clone(), classify).layer(Echo(0));
        let mut statuses = |requests: &[u16]| {
            let results = requests.iter().map(|request| match poll(service.call(*request)) {
                Poll::Ready(Ok(status)) => status,
                Poll::Ready(Err(CallError::Rejected(rejected))) => {
                    assert_eq!(rejected.reason, RejectReason::Open);
                    0
                }
                other => panic!("{other:?}"),
            });
            (results.collect::<Vec<_>>(), service.inner.0)
        };
        // A success ends a streak, a call without evidence does not.
        assert_eq!(statuses(&[500, 200, 500, 404, 500, 200]), (vec![500, 200, 500, 404, 500, 0], 5));
        assert_eq!(breaker.outstanding(), 0);
    }

    #[test]
    fn dropped_call_frees_its_permit() {
        let breaker = Breaker::new(BreakerConfig::default(), virtual_time::now).unwrap();
        let call = Admitted::call(&breaker, pending::<Result<u16, Infallible>>);
        let classify = |_: Result<&u16, &Infallible>| Verdict::Success;
        let future = CallFuture { call, classify };
        assert_eq!(breaker.outstanding(), 1);
        drop(future);
        assert_eq!(breaker.outstanding(), 0);
    }
}
