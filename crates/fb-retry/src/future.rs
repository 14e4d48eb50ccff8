//! The async edge.

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

use crate::{Decision, Policy, RetryBudget, Tries, Why};

/// Runs an operation until it succeeds or the policy stops, with the policy's waits in between.
///
/// An error is dropped before the wait; the last one is returned. A first try that succeeds allocates nothing. The
/// future is set up further with its methods:
///
/// ```
/// # use fb_retry::{BudgetConfig, RetryBudget, RetryPolicy, retry};
/// # use std::{io, time::Duration};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # async fn fetch() -> io::Result<u32> { Ok(7) }
/// let budget = RetryBudget::new(&BudgetConfig::default())?; // one for all calls
/// let policy = RetryPolicy::default().when(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut);
/// let page = retry(policy, fetch).budget(&budget).within(Duration::from_secs(20)).await?;
/// # assert_eq!(page, 7);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The operation's last error.
///
/// # Cancel safety
/// Dropping the future drops the operation in flight or the sleep; nothing runs on.
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
        done: 0,
        last: Duration::ZERO,
        state: State::Ready,
    }
}

/// [`retry`] as a method of the operation.
pub trait Retryable<T, E, Fut>: FnMut() -> Fut + Sized
where
    Fut: Future<Output = Result<T, E>>,
{
    /// See [`retry`].
    fn retry<P: Policy<E>>(self, policy: P) -> Retry<'static, Self, Fut, P, fn(Event<'_, E>)> {
        retry(policy, self)
    }
}

impl<T, E, Fut: Future<Output = Result<T, E>>, F: FnMut() -> Fut> Retryable<T, E, Fut> for F {}

/// What happens to one operation.
#[derive(Debug)]
pub enum Event<'a, E> {
    /// A try begins; the first has number 1.
    Attempt {
        /// Which it is.
        number: u32,
    },
    /// A try failed, and another follows.
    Retry {
        /// What it failed with.
        error: &'a E,
        /// The wait in between.
        wait: Duration,
    },
    /// A try failed, and its error is returned.
    Stop {
        /// What it failed with.
        error: &'a E,
        /// Why there is no other.
        why: Why,
    },
}

pin_project! {
    /// The future of [`retry`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Retry<'b, F, Fut, P, L> {
        op: F,
        policy: P,
        listener: Option<L>,
        budget: Option<&'b RetryBudget>,
        deadline: Option<Instant>,
        done: u32,
        last: Duration,
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
    /// Lets the operation retry only as far as all those that share the budget do.
    pub fn budget<'c>(self, budget: &'c RetryBudget) -> Retry<'c, F, Fut, P, L>
    where
        'b: 'c,
    {
        Retry { budget: Some(budget), ..self }
    }

    /// Begins no wait that would end later than this after now. The try in flight is not cut: give it a timeout.
    pub fn within(self, time: Duration) -> Self {
        let deadline = Instant::now().checked_add(time);
        Self { deadline, ..self }
    }

    /// Tells of every try. A listener that panics is not heard, and changes nothing.
    pub fn on_event<T, E, M>(self, listener: M) -> Retry<'b, F, Fut, P, M>
    where
        Fut: Future<Output = Result<T, E>>,
        M: FnMut(Event<'_, E>),
    {
        let Self { op, policy, listener: _, budget, deadline, done, last, state } = self;
        Retry { op, policy, listener: Some(listener), budget, deadline, done, last, state }
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
                    tell(this.listener, Event::Attempt { number: this.done.saturating_add(1) });
                    if let (0, Some(budget)) = (*this.done, &this.budget) {
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
                    let tries = Tries { done: *this.done, last: *this.last, unit: fastrand::f64() };
                    let decision = this.policy.on_error(&error, tries);
                    let wait = match affordable(decision, *this.deadline, *this.budget) {
                        Decision::After(wait) => wait,
                        Decision::Stop(why) => {
                            this.state.set(State::Ended);
                            tell(this.listener, Event::Stop { error: &error, why });
                            return Poll::Ready(Err(error));
                        }
                    };
                    tell(this.listener, Event::Retry { error: &error, wait });
                    (*this.done, *this.last) = (*this.done + 1, wait);
                    // No timer for nothing.
                    this.state.set(if wait.is_zero() {
                        State::Ready
                    } else {
                        State::Waiting { sleep: sleep(wait) }
                    });
                    // The error is dropped here: it may hold a connection.
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

/// The decision, within the deadline and the budget. The budget is asked last: what is withdrawn is spent.
fn affordable(decision: Decision, deadline: Option<Instant>, budget: Option<&RetryBudget>) -> Decision {
    let Decision::After(wait) = decision else { return decision };
    if deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
        return Decision::Stop(Why::Deadline);
    }
    if budget.is_some_and(|budget| !budget.try_withdraw(Instant::now().into_std())) {
        return Decision::Stop(Why::Budget);
    }
    decision
}

fn tell<E, L: FnMut(Event<'_, E>)>(listener: &mut Option<L>, event: Event<'_, E>) {
    if let Some(listener) = listener {
        // Whoever listens must not decide over the call.
        drop(catch_unwind(AssertUnwindSafe(|| listener(event))));
    }
}

impl<F, Fut, P: fmt::Debug, L> fmt::Debug for Retry<'_, F, Fut, P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("policy", &self.policy)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
