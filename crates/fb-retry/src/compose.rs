//! Policies that look at the error, and policies made of others.

use std::time::Duration;

use crate::{Ask, Decision, Pace, RetryPolicy, Why};

/// What an error means for a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// How soon it may be retried.
    pub pace: Pace,
    /// How long the other side asks to wait.
    pub hint: Option<Duration>,
}

impl Class {
    /// An error of this pace, without a hint.
    pub const fn of(pace: Pace) -> Self {
        Self { pace, hint: None }
    }

    /// An error that says when to come back, as `Retry-After` does.
    pub const fn after(hint: Duration) -> Self {
        Self { pace: Pace::Hinted, hint: Some(hint) }
    }
}

impl From<bool> for Class {
    /// Whether to retry, with the usual backoff.
    fn from(retry: bool) -> Self {
        Self::of(if retry { Pace::Backoff } else { Pace::Never })
    }
}

/// Says what errors of type `E` mean. Closures that return a [`Class`], or a `bool`, do.
pub trait Classify<E: ?Sized> {
    /// What this error means.
    fn classify(&self, error: &E) -> Class;
}

impl<E: ?Sized, C: Into<Class>, F: Fn(&E) -> C> Classify<E> for F {
    fn classify(&self, error: &E) -> Class {
        self(error).into()
    }
}

/// What was tried of one operation, and the chance for the next wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tries {
    /// Retries made.
    pub done: u32,
    /// The wait before the last try; zero when there was none.
    pub last: Duration,
    /// A random number in `[0, 1)`.
    pub unit: f64,
}

/// Decides after a failed try whether and when there is another.
pub trait Policy<E: ?Sized> {
    /// Decides; without a clock, and with no chance but that in `tries`.
    fn on_error(&self, error: &E, tries: Tries) -> Decision;

    /// A policy that retries what either would, after the longer of the waits of those that would.
    fn or<P: Policy<E>>(self, other: P) -> Or<Self, P>
    where
        Self: Sized,
    {
        Or(self, other)
    }
}

impl<E: ?Sized> Policy<E> for RetryPolicy {
    /// Every error is retried with the usual backoff.
    fn on_error(&self, _error: &E, tries: Tries) -> Decision {
        self.class(Class::of(Pace::Backoff), tries)
    }
}

impl<E: ?Sized, P: Policy<E> + ?Sized> Policy<E> for &P {
    fn on_error(&self, error: &E, tries: Tries) -> Decision {
        (**self).on_error(error, tries)
    }
}

impl RetryPolicy {
    /// This policy for what `classify` says of each error.
    pub const fn when<C>(self, classify: C) -> When<C> {
        When { policy: self, classify }
    }

    fn class(&self, class: Class, tries: Tries) -> Decision {
        self.decide(Ask {
            pace: class.pace,
            most: self.max_retries(),
            done: tries.done,
            last: tries.last,
            hint: class.hint,
            unit: tries.unit,
        })
    }
}

/// A policy that looks at the error; see [`RetryPolicy::when`].
#[derive(Debug, Clone)]
pub struct When<C> {
    policy: RetryPolicy,
    classify: C,
}

impl<E: ?Sized, C: Classify<E>> Policy<E> for When<C> {
    fn on_error(&self, error: &E, tries: Tries) -> Decision {
        self.policy.class(self.classify.classify(error), tries)
    }
}

/// Either of two policies; see [`Policy::or`].
#[derive(Debug, Clone)]
pub struct Or<A, B>(A, B);

impl<E: ?Sized, A: Policy<E>, B: Policy<E>> Policy<E> for Or<A, B> {
    fn on_error(&self, error: &E, tries: Tries) -> Decision {
        match (self.0.on_error(error, tries), self.1.on_error(error, tries)) {
            (Decision::After(one), Decision::After(other)) => Decision::After(one.max(other)),
            // That a policy is not for this error says less than why another stops.
            (told, Decision::Stop(Why::Never)) | (Decision::Stop(Why::Never), told) => told,
            (retry @ Decision::After(_), Decision::Stop(_)) | (Decision::Stop(_), retry) => retry,
        }
    }
}

#[cfg(test)]
mod tests;
