//! The decision after a failed attempt, as a pure function of the situation.

use std::time::{Duration, Instant};

use fb_core::{Envelope, Failure, Hop, Retry};
use fb_retry::{Decision, Pace, RetryContext, RetryPolicy};

/// Everything that a decision depends on: no clock, no lock, no randomness.
pub(super) struct Situation<'a> {
    pub(super) failure: &'a Failure,
    /// Names of the failure kinds after which the request moves on, if the target restricts them.
    pub(super) triggers: Option<&'a [&'static str]>,
    pub(super) max_retries: u32,
    /// Retries made at this target, not counting stale connections.
    pub(super) retries: u32,
    /// The wait before the latest attempt at this target; zero if there was none.
    pub(super) last: Duration,
    /// Stale connections met at this target.
    pub(super) stale: u32,
    /// True if the breaker is open or the key rests, after the verdict on this failure.
    pub(super) open: bool,
    pub(super) envelope: Envelope,
    /// Calls made by this request.
    pub(super) used: u32,
    /// Callable targets after this one.
    pub(super) later: u32,
    pub(super) now: Instant,
    /// A random number in `[0, 1)`.
    pub(super) random: f64,
}

/// The decision after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Retries the same target after this wait.
    RetrySame(Duration),
    /// Moves on to the next target that meets the requirement.
    Next(Requirement),
    /// Returns the failure to the caller.
    Surface,
}

/// A capability in which later targets must exceed the one that failed, where both are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requirement {
    None,
    LargerWindow,
    LargerBody,
}

/// Decides what follows a failure: the consequences of its kind, within the policy of the target and the envelope of the
/// request.
pub(super) fn decide(situation: &Situation<'_>, policy: &RetryPolicy) -> Step {
    match retry(situation, policy) {
        Some(wait) => Step::RetrySame(wait),
        None => without_retry(situation),
    }
}

/// Decides what follows a failure that is not retried.
pub(super) fn without_retry(situation: &Situation<'_>) -> Step {
    let failure = situation.failure;
    let is_trigger = situation.triggers.map(|kinds| kinds.contains(&failure.kind().name()));
    match (is_trigger, failure.consequences().hop) {
        (Some(false), _) | (_, Hop::No) | (None, Hop::OptIn) => Step::Surface,
        (_, Hop::LargerWindow) => Step::Next(Requirement::LargerWindow),
        (_, Hop::LargerLimit) => Step::Next(Requirement::LargerBody),
        (_, Hop::Yes | Hop::OptIn) => Step::Next(Requirement::None),
    }
}

/// Returns the wait before a retry; `None` if there is no retry.
fn retry(s: &Situation<'_>, policy: &RetryPolicy) -> Option<Duration> {
    if s.failure.should_retry() == Some(false) || s.open {
        return None;
    }
    let afford = |wait| s.envelope.affords_retry(s.now, wait, s.used, s.later).then_some(wait);
    let consequences = s.failure.consequences();
    let is_encouraged = s.failure.should_retry() == Some(true) && consequences.hop == Hop::Yes;
    let (pace, most) = match consequences.retry {
        Retry::Never if is_encouraged => (Pace::Backoff, 1),
        Retry::Never | Retry::Repair => return None,
        Retry::Free if s.stale > 1 => return None,
        Retry::Free => return afford(Duration::ZERO),
        Retry::Immediate { max } => (Pace::Immediate, max),
        Retry::Backoff { max } => (Pace::Backoff, max),
        Retry::Throttled { max } => (Pace::Throttled, max),
        Retry::ProviderDelay => (Pace::RetryAfter, u32::MAX),
        Retry::OptIn => (Pace::Timeout, u32::MAX),
    };
    let context = RetryContext {
        pace,
        max_retries: most.min(s.max_retries),
        retries: s.retries,
        last_wait: s.last,
        retry_after: s.failure.retry_after(),
        random: s.random,
    };
    match policy.decide(context) {
        Decision::After(wait) => afford(wait),
        Decision::Stop(_) => None,
    }
}
