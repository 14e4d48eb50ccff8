//! Policies that depend on the error, and combinations of policies.

use std::time::Duration;

use crate::{Decision, Pace, RetryContext, RetryPolicy, StopReason};

/// The classification of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// The pace of retries.
    pub pace: Pace,
    /// The time to wait that the server sent.
    pub retry_after: Option<Duration>,
}

impl Class {
    /// Creates a class without a time to wait.
    pub const fn new(pace: Pace) -> Self {
        Self { pace, retry_after: None }
    }

    /// Creates a class for an error with a time to wait, such as `Retry-After`.
    pub const fn after(wait: Duration) -> Self {
        Self { pace: Pace::RetryAfter, retry_after: Some(wait) }
    }
}

impl From<bool> for Class {
    /// Converts `true` to [`Pace::Backoff`] and `false` to [`Pace::Never`].
    fn from(retry: bool) -> Self {
        Self::new(if retry { Pace::Backoff } else { Pace::Never })
    }
}

/// A classifier of errors.
///
/// It is implemented for closures that return a [`Class`] or a `bool`.
///
/// # Implementing
///
/// An implementation
///
/// - must return the same class for the same error, because it may be called more than once for it when policies are combined;
/// - must not block or wait, because it is called between two attempts, on the caller's task;
/// - must pass on a time to wait that the error has ([`Class::after`]), because a retry before it is refused again;
/// - may look at the sources of the error. It need not count attempts, which is the work of the [`Policy`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_retry::{Class, Classify, Pace};
///
/// enum ApiError {
///     Throttled { wait: Duration },
///     NotFound,
/// }
///
/// struct ByStatus;
///
/// impl Classify<ApiError> for ByStatus {
///     fn classify(&self, error: &ApiError) -> Class {
///         match error {
///             ApiError::Throttled { wait } => Class::after(*wait),
///             ApiError::NotFound => Class::new(Pace::Never),
///         }
///     }
/// }
///
/// let throttled = ApiError::Throttled { wait: Duration::from_secs(3) };
/// assert_eq!(ByStatus.classify(&throttled).retry_after, Some(Duration::from_secs(3)));
/// assert_eq!(ByStatus.classify(&ApiError::NotFound).pace, Pace::Never);
/// ```
pub trait Classify<E: ?Sized> {
    /// Classifies an error.
    fn classify(&self, error: &E) -> Class;
}

impl<E: ?Sized, C: Into<Class>, F: Fn(&E) -> C> Classify<E> for F {
    fn classify(&self, error: &E) -> Class {
        self(error).into()
    }
}

/// The progress of an operation, and the random number for the next wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Number of retries made so far.
    pub retries: u32,
    /// The wait before the last attempt; zero if there was none.
    pub last_wait: Duration,
    /// A random number in `[0, 1)`.
    pub random: f64,
}

/// A retry policy that depends on the error.
///
/// It is implemented by [`RetryPolicy`], which retries every error, by [`RetryPolicy::when`], and by [`Policy::or`].
///
/// # Implementing
///
/// A policy
///
/// - must not read a clock, sleep, or draw random numbers of its own, so that its decisions can be tested as values; use
///   [`Progress::random`];
/// - must return [`StopReason::Never`] for errors that it does not handle, because [`or`](Self::or) then consults the other
///   policy's reason;
/// - must bound the number of retries by [`Progress::retries`], because `retry` itself sets no limit;
/// - should not keep per-operation state, because one policy may serve many operations;
/// - may return a [`delay`](Self::delay) for errors that it does not retry, which [`or_longest`](Self::or_longest) then
///   takes into account.
///
/// # Examples
///
/// ```
/// use std::{io, time::Duration};
///
/// use fb_retry::{Decision, Policy, Progress, StopReason};
///
/// /// Retries once, after a second, if the connection was reset.
/// struct OnceOnReset;
///
/// impl Policy<io::Error> for OnceOnReset {
///     fn on_error(&self, error: &io::Error, progress: Progress) -> Decision {
///         match (error.kind(), progress.retries) {
///             (io::ErrorKind::ConnectionReset, 0) => Decision::After(Duration::from_secs(1)),
///             (io::ErrorKind::ConnectionReset, _) => Decision::Stop(StopReason::Exhausted),
///             _ => Decision::Stop(StopReason::Never),
///         }
///     }
/// }
/// ```
pub trait Policy<E: ?Sized> {
    /// Decides whether and when to retry after this error.
    fn on_error(&self, error: &E, progress: Progress) -> Decision;

    /// Returns the wait that this policy has for this error, whether or not it retries. By default that of
    /// [`on_error`](Self::on_error), or zero if it stops.
    fn delay(&self, error: &E, progress: Progress) -> Duration {
        match self.on_error(error, progress) {
            Decision::After(wait) => wait,
            Decision::Stop(_) => Duration::ZERO,
        }
    }

    /// Combines two policies: the result retries if either does, after the longer wait of those that do.
    fn or<P: Policy<E>>(self, other: P) -> Or<Self, P>
    where
        Self: Sized,
    {
        Or(self, other)
    }

    /// Combines two policies: the result retries if either does, after the longer wait of both, also of the one that does
    /// not.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use fb_retry::{Decision, Policy, Progress, RetryPolicy};
    ///
    /// let slow = RetryPolicy::timeout().when(|error: &&str| *error == "timeout");
    /// let throttled = RetryPolicy::rate_limit().when(|error: &&str| *error == "rate limit");
    /// let first = Progress { retries: 0, last_wait: Duration::ZERO, random: 0.5 };
    /// let willing = (&slow).or(&throttled).on_error(&"timeout", first);
    /// let longest = slow.or_longest(throttled).on_error(&"timeout", first);
    /// assert_eq!(
    ///     [willing, longest],
    ///     [Decision::After(Duration::from_secs(2)), Decision::After(Duration::from_secs(5))],
    /// );
    /// ```
    fn or_longest<P: Policy<E>>(self, other: P) -> OrLongest<Self, P>
    where
        Self: Sized,
    {
        OrLongest(self, other)
    }
}

impl<E: ?Sized> Policy<E> for RetryPolicy {
    /// Retries every error with the usual backoff.
    fn on_error(&self, _error: &E, progress: Progress) -> Decision {
        self.decide(self.context(Class::new(Pace::Backoff), progress))
    }

    fn delay(&self, _error: &E, progress: Progress) -> Duration {
        self.wait(self.context(Class::new(Pace::Backoff), progress))
    }
}

impl<E: ?Sized, P: Policy<E> + ?Sized> Policy<E> for &P {
    fn on_error(&self, error: &E, progress: Progress) -> Decision {
        (**self).on_error(error, progress)
    }

    fn delay(&self, error: &E, progress: Progress) -> Duration {
        (**self).delay(error, progress)
    }
}

impl RetryPolicy {
    /// Applies this policy to errors as classified by `classify`.
    pub const fn when<C>(self, classify: C) -> When<C> {
        When { policy: self, classify }
    }

    const fn context(&self, class: Class, progress: Progress) -> RetryContext {
        RetryContext {
            pace: class.pace,
            max_retries: self.max_retries(),
            retries: progress.retries,
            last_wait: progress.last_wait,
            retry_after: class.retry_after,
            random: progress.random,
        }
    }
}

/// A policy with a classifier, created by [`RetryPolicy::when`].
#[derive(Debug, Clone)]
pub struct When<C> {
    policy: RetryPolicy,
    classify: C,
}

impl<E: ?Sized, C: Classify<E>> Policy<E> for When<C> {
    fn on_error(&self, error: &E, progress: Progress) -> Decision {
        self.policy.decide(self.policy.context(self.classify.classify(error), progress))
    }

    fn delay(&self, error: &E, progress: Progress) -> Duration {
        self.policy.wait(self.policy.context(self.classify.classify(error), progress))
    }
}

/// A combination of two policies, created by [`Policy::or`].
#[derive(Debug, Clone)]
pub struct Or<A, B>(A, B);

impl<E: ?Sized, A: Policy<E>, B: Policy<E>> Policy<E> for Or<A, B> {
    fn on_error(&self, error: &E, progress: Progress) -> Decision {
        match (self.0.on_error(error, progress), self.1.on_error(error, progress)) {
            (Decision::After(a), Decision::After(b)) => Decision::After(a.max(b)),
            // The reason of a policy that handles the error takes precedence over `Never`.
            (other, Decision::Stop(StopReason::Never)) | (Decision::Stop(StopReason::Never), other) => other,
            (retry @ Decision::After(_), Decision::Stop(_)) | (Decision::Stop(_), retry) => retry,
        }
    }

    fn delay(&self, error: &E, progress: Progress) -> Duration {
        self.0.delay(error, progress).max(self.1.delay(error, progress))
    }
}

/// A combination of two policies, created by [`Policy::or_longest`].
#[derive(Debug, Clone)]
pub struct OrLongest<A, B>(A, B);

impl<E: ?Sized, A: Policy<E>, B: Policy<E>> Policy<E> for OrLongest<A, B> {
    fn on_error(&self, error: &E, progress: Progress) -> Decision {
        let Self(a, b) = self;
        match Or(a, b).on_error(error, progress) {
            Decision::After(_) => Decision::After(self.delay(error, progress)),
            stop @ Decision::Stop(_) => stop,
        }
    }

    fn delay(&self, error: &E, progress: Progress) -> Duration {
        self.0.delay(error, progress).max(self.1.delay(error, progress))
    }
}

#[cfg(test)]
mod tests;
