//! The decision after a failed attempt, as a pure function of the situation.

use std::time::{Duration, Instant};

use fb_core::{Envelope, Failure, Hop, Limit, Retry};
use fb_retry::{Decision, Pace, RetryContext, RetryPolicy, StopReason};

/// Everything that a decision depends on: no clock, no lock, no randomness.
pub(super) struct Situation<'a> {
    pub(super) failure: &'a Failure,
    /// Names of the failure kinds after which the request moves on, if the target restricts them.
    pub(super) triggers: Option<&'a [&'static str]>,
    /// The most retries at this target, where the configuration sets a number.
    pub(super) max_retries: Option<u32>,
    /// Retries made at this target, not counting stale connections.
    pub(super) retries: u32,
    /// The wait before the latest attempt at this target; zero if there was none.
    pub(super) last: Duration,
    /// Stale connections met at this target.
    pub(super) stale: u32,
    /// True if the breaker is open or the key rests, after the verdict on this failure.
    pub(super) open: bool,
    /// True if another target of the level may answer while this one waits for its retry.
    pub(super) elsewhere: bool,
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
    /// Moves on to the other targets; the same one may be called again after this wait.
    Later(Duration),
    /// Moves on to the next target that meets the requirement. Names the limit that prevents a retry, if one does.
    Next(Requirement, Option<Limit>),
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
        Ok(step) => step,
        Err(limit) => match without_retry(situation) {
            Step::Next(requirement, _) => Step::Next(requirement, limit),
            other => other,
        },
    }
}

/// Decides what follows a failure that is not retried.
pub(super) fn without_retry(situation: &Situation<'_>) -> Step {
    let failure = situation.failure;
    let is_trigger = situation.triggers.map(|kinds| kinds.contains(&failure.kind().name()));
    match (is_trigger, failure.consequences().hop) {
        (Some(false), _) | (_, Hop::No) | (None, Hop::OptIn) => Step::Surface,
        (_, Hop::LargerWindow) => Step::Next(Requirement::LargerWindow, None),
        (_, Hop::LargerLimit) => Step::Next(Requirement::LargerBody, None),
        (_, Hop::Yes | Hop::OptIn) => Step::Next(Requirement::None, None),
    }
}

/// Returns the retry, now or later; without one, the limit that prevents it, if the failure is one that is retried.
fn retry(s: &Situation<'_>, policy: &RetryPolicy) -> Result<Step, Option<Limit>> {
    if s.failure.should_retry() == Some(false) || s.open {
        return Err(None);
    }
    let consequences = s.failure.consequences();
    let is_encouraged = s.failure.should_retry() == Some(true) && consequences.hop == Hop::Yes;
    let pace = match consequences.retry {
        Retry::Never if is_encouraged && s.retries == 0 => Pace::Backoff,
        Retry::Never | Retry::Repair => return Err(None),
        Retry::Free if s.stale > 1 => return Err(None),
        Retry::Free => {
            affords(s.envelope, s.now, Duration::ZERO, s.used, s.later)?;
            return Ok(Step::RetrySame(Duration::ZERO));
        }
        Retry::Immediate if s.retries == 0 => Pace::Immediate,
        Retry::Immediate | Retry::Backoff => Pace::Backoff,
        Retry::Throttled => Pace::Throttled,
        Retry::ProviderDelay => Pace::RetryAfter,
        Retry::OptIn => Pace::Timeout,
    };
    let context = RetryContext {
        pace,
        max_retries: s.max_retries.unwrap_or(u32::MAX),
        retries: s.retries,
        last_wait: s.last,
        retry_after: s.failure.retry_after(),
        random: s.random,
    };
    let wait = match policy.decide(context) {
        Decision::After(wait) => wait,
        Decision::Stop(StopReason::Exhausted) => return Err(Some(Limit::Retries)),
        Decision::Stop(_) => return Err(None),
    };
    // A broken connection may be one of many, and a rate limit passes soon.
    let is_first_here = s.retries == 0 && matches!(pace, Pace::Immediate | Pace::RetryAfter);
    let may_leave = matches!(without_retry(s), Step::Next(..));
    if s.max_retries.is_none() && s.elsewhere && may_leave && !is_first_here {
        return Ok(Step::Later(wait));
    }
    affords(s.envelope, s.now, wait, s.used, s.later)?;
    Ok(Step::RetrySame(wait))
}

/// Checks that a retry after this wait leaves attempts and time for itself and for the targets after it.
pub(super) fn affords(
    envelope: Envelope,
    now: Instant,
    wait: Duration,
    used: u32,
    later: u32,
) -> Result<(), Limit> {
    if envelope.affords_retry(now, wait, used, later) {
        Ok(())
    } else if envelope.affords_attempts(used, later) {
        Err(Limit::Deadline)
    } else {
        Err(Limit::Attempts)
    }
}
