//! Retries as a tower layer.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{Policy, RetryBudget, retry};

/// A layer that repeats calls of a service by a [`Policy`], within a [`RetryBudget`] that all its services share. Feature
/// `tower`.
///
/// The policy classifies errors. A service that returns a failed response as a success, as HTTP clients do, has to turn it into
/// an error first.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use fb_retry::{BudgetConfig, RetryBudget, RetryLayer, RetryPolicy};
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Client;
/// let policy = RetryPolicy::default().when(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut);
/// let layer = RetryLayer::new(policy).budget(RetryBudget::new(&BudgetConfig::default())?);
/// let client = layer.layer(Client);
/// # Ok::<(), fb_retry::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetryLayer<P> {
    policy: P,
    budget: Option<Arc<RetryBudget>>,
}

/// A service that repeats the calls of another one. Created by [`RetryLayer`].
#[derive(Clone, Debug)]
pub struct RetryService<S, P> {
    inner: S,
    policy: P,
    budget: Option<Arc<RetryBudget>>,
}

impl<P> RetryLayer<P> {
    /// Creates a layer without a budget.
    pub const fn new(policy: P) -> Self {
        Self { policy, budget: None }
    }

    /// Adds a budget for the retries of all services of the layer.
    #[must_use]
    pub fn budget(self, budget: RetryBudget) -> Self {
        Self { budget: Some(Arc::new(budget)), ..self }
    }
}

impl<S, P: Clone> Layer<S> for RetryLayer<P> {
    type Service = RetryService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryService { inner, policy: self.policy.clone(), budget: self.budget.clone() }
    }
}

impl<S, P, R> Service<R> for RetryService<S, P>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    R: Clone + Send + 'static,
    P: Policy<S::Error> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let again = self.inner.clone();
        // The instance that is ready makes the first call.
        let mut ready = Some(mem::replace(&mut self.inner, again.clone()));
        let (policy, budget) = (self.policy.clone(), self.budget.clone());
        RetryFuture(Box::pin(async move {
            let attempt = move || {
                let (first, mut service, request) = (ready.take(), again.clone(), request.clone());
                async move {
                    if let Some(mut first) = first {
                        return first.call(request).await;
                    }
                    poll_fn(|context| service.poll_ready(context)).await?;
                    service.call(request).await
                }
            };
            match &budget {
                Some(budget) => retry(policy, attempt).budget(budget).await,
                None => retry(policy, attempt).await,
            }
        }))
    }
}

/// The response future of a [`RetryService`].
///
/// # Cancel safety
///
/// Dropping the future drops the call in flight or the wait; nothing keeps running.
pub struct RetryFuture<T, E>(Pin<Box<dyn Future<Output = Result<T, E>> + Send>>);

impl<T, E> Future for RetryFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<T, E> fmt::Debug for RetryFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Ready, ready},
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use crate::{BudgetConfig, RetryPolicy};

    #[derive(Debug, PartialEq, Eq)]
    struct Failed(u32);

    /// Fails its first calls. An instance must be ready before each call, as tower requires.
    #[derive(Debug, Default)]
    struct Flaky {
        failures: u32,
        calls: Arc<AtomicU32>,
        is_ready: bool,
    }

    impl Clone for Flaky {
        fn clone(&self) -> Self {
            Self { failures: self.failures, calls: Arc::clone(&self.calls), is_ready: false }
        }
    }

    impl Service<&'static str> for Flaky {
        type Response = &'static str;
        type Error = Failed;
        type Future = Ready<Result<&'static str, Failed>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
            self.is_ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: &'static str) -> Self::Future {
            assert!(mem::take(&mut self.is_ready), "called without being ready");
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            ready(if call < self.failures { Err(Failed(call)) } else { Ok(request) })
        }
    }

    async fn call<P>(layer: &RetryLayer<P>, failures: u32) -> (Result<&'static str, Failed>, u32)
    where
        P: Policy<Failed> + Clone + Send + 'static,
    {
        let flaky = Flaky { failures, ..Flaky::default() };
        let calls = Arc::clone(&flaky.calls);
        let mut service = layer.layer(flaky);
        poll_fn(|context| service.poll_ready(context)).await.unwrap();
        (service.call("hi").await, calls.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_repeated_within_policy_and_budget() {
        let policy = RetryPolicy::default().when(|_: &Failed| true);
        let layer = RetryLayer::new(policy.clone());
        assert_eq!(call(&layer, 1).await, (Ok("hi"), 2));
        let retries = policy.clone();
        let (result, calls) = call(&RetryLayer::new(retries), 100).await;
        assert_eq!(result, Err(Failed(calls - 1)), "the last error after {calls} calls");
        let budget = BudgetConfig { burst: 1, per_second: 0.0, ratio: 0.0, ..BudgetConfig::default() };
        let layer = RetryLayer::new(policy).budget(RetryBudget::new(&budget).unwrap());
        assert_eq!(call(&layer, 1).await, (Ok("hi"), 2));
        assert_eq!(call(&layer, 1).await, (Err(Failed(0)), 1), "the budget is shared and empty");
        let never = RetryPolicy::default().when(|_: &Failed| false);
        assert_eq!(call(&RetryLayer::new(never), 1).await, (Err(Failed(0)), 1));
    }
}
