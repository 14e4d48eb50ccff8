use std::{fmt, time::Duration};

use fb::{Call, Failure, FailureKind, TargetId, Usage};
use parking_lot::Mutex;

use crate::dry_run::{Act, End, Script};

/// How long an answer takes.
const ANSWER: Duration = Duration::from_millis(500);
/// How long a failure takes that does not hang.
const FAILURE: Duration = Duration::from_millis(100);
/// What a throttled provider asks for.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Who does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Down {
    /// One target, whatever route asks it.
    One(TargetId),
    /// Every target of every provider.
    All,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(target) => target.fmt(f),
            Self::All => f.write_str("all targets"),
        }
    }
}

/// How a target fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// With status 503, at once.
    Unavailable,
    /// It never says anything.
    Hang,
    /// It rejects the key.
    Key,
    /// It has too many requests, and asks for half a minute.
    Throttled,
    /// Its stream ends before its first output.
    Cut,
}

impl Fault {
    pub(super) const ALL: [Self; 5] = [Self::Unavailable, Self::Hang, Self::Key, Self::Throttled, Self::Cut];

    /// What a call comes to; `None` when to nothing.
    fn failure(self) -> Option<Failure> {
        Some(match self {
            Self::Unavailable => {
                Failure::new(FailureKind::ServerError, "Service Unavailable").with_status(503)
            }
            Self::Hang => return None,
            Self::Key => Failure::new(FailureKind::Auth, "the key is rejected").with_status(401),
            Self::Throttled => Failure::new(FailureKind::RateLimited, "too many requests")
                .with_status(429)
                .with_retry_after(Some(RETRY_AFTER)),
            Self::Cut => Failure::new(FailureKind::Interrupted, "ended before its end signal"),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "503",
            Self::Hang => "no answer",
            Self::Key => "401",
            Self::Throttled => "429, 30 s",
            Self::Cut => "stream cut",
        })
    }
}

/// What all stand-ins of a stage look at before they answer.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<(Down, Fault)>>);

impl Outage {
    pub(super) fn begin(&self, down: Down, fault: Fault) {
        *self.0.lock() = Some((down, fault));
    }

    /// How a target fails now, if it does.
    fn of(&self, provider: &str, model: &str) -> Option<Fault> {
        let now = self.0.lock();
        let (down, fault) = now.as_ref()?;
        let is_down = match down {
            Down::One(target) => target.provider().as_str() == provider && target.model() == model,
            Down::All => true,
        };
        is_down.then_some(*fault)
    }
}

impl Script for Outage {
    fn act(&self, provider: &str, call: Call<'_>) -> Act {
        let (took, end) = match self.of(provider, call.model).map(Fault::failure) {
            None => (ANSWER, End::Answer(Some(Usage { input: 10, output: 5, ..Usage::default() }))),
            Some(Some(failure)) => (FAILURE, End::Fail(failure)),
            Some(None) => (FAILURE, End::Silent),
        };
        Act { first: None, took, end }
    }
}
