//! Simulated outages.

use std::{fmt, time::Duration};

use fb::{Call, Failure, FailureKind, TargetId, Usage};
use parking_lot::Mutex;

use crate::dry_run::{ResponseEnd, Script, ScriptedResponse};

/// Time to an answer.
const ANSWER_TIME: Duration = Duration::from_millis(500);
/// Time to a failure that does not hang.
const FAILURE_TIME: Duration = Duration::from_millis(100);
/// `Retry-After` of a throttled provider.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The targets of an outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Down {
    /// One target, on every route.
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

/// The failure of a target during an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Status 503, at once.
    Unavailable,
    /// No response, ever.
    Hang,
    /// Status 401: the key is rejected.
    Key,
    /// Status 429 with `Retry-After`.
    Throttled,
    /// A stream that ends before its first output.
    Cut,
}

impl Fault {
    pub(super) const ALL: [Self; 5] = [Self::Unavailable, Self::Hang, Self::Key, Self::Throttled, Self::Cut];

    /// Returns the failure of a call; `None` if the call hangs.
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

/// A script in which all targets work until an outage begins.
#[derive(Debug, Default)]
pub(super) struct OutageScript(Mutex<Option<(Down, Fault)>>);

impl OutageScript {
    pub(super) fn begin_outage(&self, down: Down, fault: Fault) {
        *self.0.lock() = Some((down, fault));
    }

    /// Returns the current fault of a target, if it is down.
    fn fault(&self, provider: &str, model: &str) -> Option<Fault> {
        let current = self.0.lock();
        let (down, fault) = current.as_ref()?;
        let is_down = match down {
            Down::One(target) => target.provider().as_str() == provider && target.model() == model,
            Down::All => true,
        };
        is_down.then_some(*fault)
    }
}

impl Script for OutageScript {
    fn respond(&self, provider: &str, call: Call<'_>) -> ScriptedResponse {
        let (took, end) = match self.fault(provider, call.model).map(Fault::failure) {
            None => {
                let usage = Usage { input: 10, output: 5, ..Usage::default() };
                (ANSWER_TIME, ResponseEnd::Answer(Some(usage)))
            }
            Some(Some(failure)) => (FAILURE_TIME, ResponseEnd::Fail(failure)),
            Some(None) => (FAILURE_TIME, ResponseEnd::Hang),
        };
        ScriptedResponse { first: None, took, end }
    }
}
