//! The `retry` future.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use crate::{Decision, Policy, Progress, RetryBudget, StopReason};

/// Runs an operation until it succeeds or the policy stops, waiting between the attempts.
///
/// Every error is dropped before the wait that follows it; the last one is returned. A first attempt that succeeds does not
/// allocate. Use the methods of the returned future to add a budget, a time limit or a listener.
///
/// # Examples
///
/// ```
/// # use fb_retry::{BudgetConfig, RetryBudget, RetryPolicy, retry};
/// # use std::{io, time::Duration};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # async fn fetch() -> io::Result<u32> { Ok(7) }
/// let budget = RetryBudget::new(&BudgetConfig::default())?; // shared by all calls
/// let policy = RetryPolicy::default().when(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut);
/// let page = retry(policy, fetch).budget(&budget).within(Duration::from_secs(20)).await?;
/// # assert_eq!(page, 7);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The last error of the operation.
///
/// # Cancel safety
/// Dropping the future drops the operation in flight or the wait; nothing keeps running.
pub fn retry<T, E, F, Fut, P>(policy: P, op: F) -> Retry<'static, F, Fut, P, fn(Event<'_, E>)>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    P: Policy<E>,
{
    Retry {
        op,
        policy,
        listener: None,
        budget: None,
        deadline: None,
        retries: 0,
        last_wait: Duration::ZERO,
        state: State::Ready,
    }
}

/// An extension trait that provides [`retry`] as a method of the operation.
///
/// # Examples
///
/// ```
/// # use std::io;
/// use fb_retry::{RetryPolicy, Retryable};
///
/// async fn fetch() -> io::Result<u32> {
///     Ok(7)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let page = fetch.retry(RetryPolicy::timeout()).await?;
/// # assert_eq!(page, 7);
/// # Ok(())
/// # }
/// ```
pub trait Retryable<T, E, Fut>: FnMut() -> Fut + Sized
where
    Fut: Future<Output = Result<T, E>>,
{
    /// Runs the operation with retries; see [`retry`].
    fn retry<P: Policy<E>>(self, policy: P) -> Retry<'static, Self, Fut, P, fn(Event<'_, E>)> {
        retry(policy, self)
    }
}

impl<T, E, Fut: Future<Output = Result<T, E>>, F: FnMut() -> Fut> Retryable<T, E, Fut> for F {}

/// An event of one operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, E> {
    /// An attempt starts.
    Attempt {
        /// The number of the attempt, from 1.
        number: u32,
    },
    /// An attempt failed, and a retry follows.
    Retry {
        /// The error of the attempt.
        error: &'a E,
        /// The wait before the retry.
        wait: Duration,
    },
    /// An attempt failed, and its error is returned.
    Stop {
        /// The error of the attempt.
        error: &'a E,
        /// The reason for not retrying.
        reason: StopReason,
    },
}

pin_project! {
    /// The future returned by [`retry`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Retry<'b, F, Fut, P, L> {
        op: F,
        policy: P,
        listener: Option<L>,
        budget: Option<&'b RetryBudget>,
        deadline: Option<Instant>,
        retries: u32,
        last_wait: Duration,
        #[pin]
        state: State<Fut>,
    }
}

pin_project! {
    #[project = Stage]
    enum State<Fut> {
        Ready,
        Running { #[pin] attempt: Fut },
        Waiting { #[pin] sleep: Sleep },
        Ended,
    }
}

impl<'b, F, Fut, P, L> Retry<'b, F, Fut, P, L> {
    /// Limits the retries by a budget shared with other operations.
    pub fn budget<'c>(self, budget: &'c RetryBudget) -> Retry<'c, F, Fut, P, L>
    where
        'b: 'c,
    {
        Retry { budget: Some(budget), ..self }
    }

    /// Starts no wait that would end later than `time` from now.
    ///
    /// An attempt in flight is not interrupted; give the operation its own timeout.
    pub fn within(self, time: Duration) -> Self {
        let deadline = Instant::now().checked_add(time);
        Self { deadline, ..self }
    }

    /// Sets a listener for the events of this operation, replacing any previous one.
    ///
    /// A panic in the listener is caught and has no effect.
    pub fn on_event<T, E, M>(self, listener: M) -> Retry<'b, F, Fut, P, M>
    where
        Fut: Future<Output = Result<T, E>>,
        M: FnMut(Event<'_, E>),
    {
        let Self { op, policy, listener: _, budget, deadline, retries, last_wait, state } = self;
        Retry { op, policy, listener: Some(listener), budget, deadline, retries, last_wait, state }
    }
}

impl<T, E, F, Fut, P, L> Future for Retry<'_, F, Fut, P, L>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    P: Policy<E>,
    L: FnMut(Event<'_, E>),
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                Stage::Ready => {
                    notify(this.listener, Event::Attempt { number: this.retries.saturating_add(1) });
                    if let (0, Some(budget)) = (*this.retries, &this.budget) {
                        budget.deposit(Instant::now().into_std());
                    }
                    let attempt = (this.op)();
                    this.state.set(State::Running { attempt });
                }
                Stage::Running { attempt } => {
                    let error = match ready!(attempt.poll(cx)) {
                        Ok(value) => {
                            this.state.set(State::Ended);
                            return Poll::Ready(Ok(value));
                        }
                        Err(error) => error,
                    };
                    let progress = Progress {
                        retries: *this.retries,
                        last_wait: *this.last_wait,
                        random: fastrand::f64(),
                    };
                    let decision = this.policy.on_error(&error, progress);
                    let wait = match limit(decision, *this.deadline, *this.budget) {
                        Decision::After(wait) => wait,
                        Decision::Stop(reason) => {
                            this.state.set(State::Ended);
                            notify(this.listener, Event::Stop { error: &error, reason });
                            return Poll::Ready(Err(error));
                        }
                    };
                    notify(this.listener, Event::Retry { error: &error, wait });
                    (*this.retries, *this.last_wait) = (*this.retries + 1, wait);
                    // A zero wait needs no timer.
                    this.state.set(if wait.is_zero() {
                        State::Ready
                    } else {
                        State::Waiting { sleep: sleep(wait) }
                    });
                    // The error is dropped here, because it may hold a connection.
                }
                Stage::Waiting { sleep } => {
                    ready!(sleep.poll(cx));
                    this.state.set(State::Ready);
                }
                Stage::Ended => return Poll::Pending,
            }
        }
    }
}

/// Applies the deadline and the budget to a decision. The budget comes last, because a withdrawal cannot be undone.
fn limit(decision: Decision, deadline: Option<Instant>, budget: Option<&RetryBudget>) -> Decision {
    let Decision::After(wait) = decision else { return decision };
    if deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
        return Decision::Stop(StopReason::Deadline);
    }
    if budget.is_some_and(|budget| !budget.try_withdraw(Instant::now().into_std())) {
        return Decision::Stop(StopReason::Budget);
    }
    decision
}

fn notify<E, L: FnMut(Event<'_, E>)>(listener: &mut Option<L>, event: Event<'_, E>) {
    if let Some(listener) = listener {
        // A panic in the listener must not affect the operation.
        drop(catch_unwind(AssertUnwindSafe(|| listener(event))));
    }
}

impl<F, Fut, P: fmt::Debug, L> fmt::Debug for Retry<'_, F, Fut, P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("policy", &self.policy)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
