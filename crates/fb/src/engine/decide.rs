use std::time::{Duration, Instant};

use fb_core::{Capabilities, Envelope, Failure, Hop, Retry};
use fb_retry::{Ask, Decision, Pace, RetryPolicy};

use super::record::RequestRecord;

/// Everything a decision depends on; no clock, no lock, no chance.
pub(super) struct Situation<'a> {
    pub(super) failure: &'a Failure,
    /// The target's own `trigger_on`.
    pub(super) triggers: Option<&'a [&'static str]>,
    pub(super) max_retries: u32,
    /// Retries made at this target, stale connections not counted.
    pub(super) retries: u32,
    /// The wait before the last try here; zero when there was none.
    pub(super) last: Duration,
    /// Stale connections met at this target.
    pub(super) stale: u32,
    /// Whether the target's breaker is open or its key dead now, after the verdict of the attempt decided on.
    pub(super) open: bool,
    pub(super) envelope: &'a Envelope,
    /// Calls made in this request.
    pub(super) used: u32,
    /// Untried targets that could be called.
    pub(super) later: u32,
    pub(super) now: Instant,
    /// A random number in `[0, 1)`.
    pub(super) unit: f64,
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The same target after this wait.
    RetrySame(Duration),
    /// The next target that passes the floor.
    Next(Floor),
    /// The caller hears of it at once.
    Surface,
}

/// What later targets must be known to exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Floor {
    Nothing,
    Window,
    Body,
}

impl Floor {
    pub(super) fn apply(self, record: &RequestRecord, than: &Capabilities) {
        match self {
            Self::Nothing => {}
            Self::Window => record.require_larger_window(than),
            Self::Body => record.require_larger_body(than),
        }
    }
}

/// Decides what follows a failure: the table of consequences within the target's policy and the envelope.
pub(super) fn decide(situation: &Situation<'_>, policy: &RetryPolicy) -> Step {
    if let Some(wait) = retry(situation, policy) {
        return Step::RetrySame(wait);
    }
    onward(situation)
}

/// What follows when there is no retry.
pub(super) fn onward(situation: &Situation<'_>) -> Step {
    let kind = situation.failure.kind();
    let hop = kind.consequences().hop;
    let named = situation.triggers.map(|kinds| kinds.contains(&kind.name()));
    match (named, hop) {
        (Some(false), _) | (_, Hop::No) | (None, Hop::OptIn) => Step::Surface,
        (_, Hop::LargerWindow) => Step::Next(Floor::Window),
        (_, Hop::LargerLimit) => Step::Next(Floor::Body),
        (_, Hop::Yes | Hop::OptIn) => Step::Next(Floor::Nothing),
    }
}

fn retry(s: &Situation<'_>, policy: &RetryPolicy) -> Option<Duration> {
    if s.failure.should_retry() == Some(false) || s.open {
        return None;
    }
    let afford = |wait| s.envelope.affords_retry(s.now, wait, s.used, s.later).then_some(wait);
    let then = s.failure.kind().consequences();
    let (pace, most) = match then.retry {
        Retry::Never if s.failure.should_retry() == Some(true) && then.hop == Hop::Yes => (Pace::Backoff, 1),
        Retry::Never | Retry::Repair => return None,
        Retry::Free if s.stale > 1 => return None,
        Retry::Free => return afford(Duration::ZERO),
        Retry::Immediate { max } => (Pace::AtOnce, max),
        Retry::Backoff { max } => (Pace::Backoff, max),
        Retry::Throttled { max } => (Pace::Throttled, max),
        Retry::ProviderDelay => (Pace::Hinted, if s.failure.retry_after().is_some() { u32::MAX } else { 1 }),
    };
    let ask = Ask {
        pace,
        most: most.min(s.max_retries),
        done: s.retries,
        last: s.last,
        hint: s.failure.retry_after(),
        unit: s.unit,
    };
    match policy.decide(ask) {
        Decision::After(wait) => afford(wait),
        Decision::Stop(_) => None,
    }
}
