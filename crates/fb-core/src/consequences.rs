#![deny(clippy::wildcard_enum_match_arm)]

use crate::{Failure, FailureKind, Phase, Scope};

/// The consequences of a failure: retries, failover, breaker verdict, cooldown and alert.
///
/// The table in [`FailureKind::consequences`] is the only place where these decisions are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequences {
    /// Retries of the same target.
    pub retry: Retry,
    /// Failover to another target.
    pub hop: Hop,
    /// The verdict recorded by the target's circuit breaker.
    pub verdict: Verdict,
    /// The cooldown of the target or its key.
    pub cooldown: Cooldown,
    /// `true` if an operator has to fix something: a key, a permission, a model name.
    pub alert: bool,
}

/// Retries of the same target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No retry.
    Never,
    /// A first retry without delay, and further ones after the usual backoff.
    Immediate,
    /// One retry without delay that does not count towards `max_retries`: a stale kept-alive connection is not the
    /// target's failure.
    Free,
    /// A retry after the usual backoff.
    Backoff,
    /// A retry after a longer backoff, because the provider is short of capacity.
    Throttled,
    /// A retry after the provider's `Retry-After` if that is short; without one, after the longer backoff.
    ProviderDelay,
    /// A retry after the usual backoff only if the retry settings of the target include timeouts.
    OptIn,
    /// One retry with the quality gate's message added to the prompt.
    Repair,
}

/// Failover to another target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// No failover: the failure is returned to the caller.
    No,
    /// Failover only if the target's `trigger_on` lists the kind.
    OptIn,
    /// Failover to the next target.
    Yes,
    /// Failover to targets with a context window known to be larger, then to those with an unknown one.
    LargerWindow,
    /// Failover to targets with a request size limit known to be larger, then to those with an unknown one.
    LargerLimit,
}

/// The verdict on one attempt that a circuit breaker records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The target works.
    Success,
    /// The attempt is no evidence about the target's health.
    Neutral,
    /// The target failed.
    Failure {
        /// Weight in the failure-rate window, in hundredths of a failure.
        window: u8,
        /// `true` if it counts towards consecutive failures.
        streak: bool,
    },
}

impl Verdict {
    /// A whole failure that also counts towards consecutive failures.
    pub const FULL: Self = Self::Failure { window: 100, streak: true };
}

/// The cooldown after a failure, independent of the circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cooldown {
    /// No cooldown.
    None,
    /// The target, for the provider's `Retry-After`; no cooldown without one.
    RetryAfter,
    /// The target, for a long time: only its operator can fix it.
    Target,
    /// The target, for a long time, once distinct requests failed alike.
    TargetIfRepeated,
    /// All targets that use the provider's key, for the provider's `Retry-After` or a long time.
    Key,
    /// All targets that use the provider's key, for growing pauses, until a call with it is answered.
    KeyRejected,
}

/// The evidence that a failure gives about the provider as a whole, whichever of its models was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The provider could not be reached.
    Unreachable,
    /// The provider answered, however it did.
    Answered,
    /// No evidence: nothing was answered, and the model may be the cause.
    Unknown,
}

/// Builds a row of the table, in the order of its columns.
const fn row(retry: Retry, hop: Hop, verdict: Verdict, cooldown: Cooldown, alert: bool) -> Consequences {
    Consequences { retry, hop, verdict, cooldown, alert }
}

impl FailureKind {
    /// Returns the consequences of a failure of this kind after a stream's first semantic event was sent to the
    /// caller: no failure is retried, and none causes failover. It counts against the target as before any output, except
    /// for the time limit of a whole stream, of which others may have used a part.
    pub const fn consequences_after_commit(self) -> Consequences {
        let mut consequences = self.consequences();
        consequences.retry = Retry::Never;
        consequences.hop = Hop::No;
        if let Self::Timeout(Phase::Total) = self {
            consequences.verdict = Verdict::Neutral;
        }
        consequences
    }

    /// Returns the consequences of a failure of this kind before any output was sent to the caller.
    pub const fn consequences(self) -> Consequences {
        use Hop::{LargerLimit, LargerWindow, Yes};
        use Retry::{Backoff, Free, Immediate, Never, ProviderDelay, Repair, Throttled};
        const FULL: Verdict = Verdict::FULL;
        const NO: Cooldown = Cooldown::None;
        const HINT: Cooldown = Cooldown::RetryAfter;
        const NEUTRAL: Verdict = Verdict::Neutral;
        const RATE: Verdict = Verdict::Failure { window: 25, streak: false };
        match self {
            // Often one connection broke, such as that to a server which is being replaced.
            Self::Connect | Self::Network | Self::Timeout(Phase::Connect) => {
                row(Immediate, Yes, FULL, NO, false)
            }
            // The request was sent: a retry could be billed twice and time out again.
            Self::Timeout(Phase::FirstByte | Phase::FirstToken | Phase::Idle | Phase::Total) => {
                row(Retry::OptIn, Yes, FULL, NO, false)
            }
            Self::Interrupted | Self::Malformed => row(Backoff, Yes, FULL, NO, false),
            Self::ServerError => row(Backoff, Yes, FULL, HINT, false),
            Self::StaleConnection => row(Free, Yes, NEUTRAL, NO, false),
            Self::Overloaded => row(Throttled, Yes, FULL, HINT, false),
            Self::RateLimited => row(ProviderDelay, Yes, RATE, HINT, false),
            Self::QuotaExhausted => row(Never, Yes, NEUTRAL, Cooldown::Key, true),
            Self::Auth => row(Never, Yes, NEUTRAL, Cooldown::KeyRejected, true),
            Self::Permission | Self::Region | Self::ModelNotFound => {
                row(Never, Yes, NEUTRAL, Cooldown::Target, true)
            }
            Self::ContextLength => row(Never, LargerWindow, NEUTRAL, NO, false),
            Self::InvalidRequest => row(Never, Hop::OptIn, NEUTRAL, NO, false),
            Self::TooLarge => row(Never, LargerLimit, NEUTRAL, NO, false),
            Self::Quality => row(Repair, Yes, NEUTRAL, NO, false),
            Self::Unknown { server: true } => row(Backoff, Yes, FULL, HINT, true),
            Self::Unknown { server: false } => row(Never, Hop::OptIn, NEUTRAL, NO, true),
        }
    }
}

impl FailureKind {
    /// Returns the evidence that a failure of this kind gives about the provider as a whole.
    pub const fn reach(self) -> Reach {
        match self {
            Self::Connect | Self::Timeout(Phase::Connect) | Self::Network => Reach::Unreachable,
            Self::StaleConnection
            | Self::Timeout(Phase::FirstByte | Phase::FirstToken | Phase::Idle | Phase::Total) => {
                Reach::Unknown
            }
            Self::Interrupted
            | Self::Overloaded
            | Self::ServerError
            | Self::RateLimited
            | Self::QuotaExhausted
            | Self::Auth
            | Self::Permission
            | Self::Region
            | Self::ModelNotFound
            | Self::ContextLength
            | Self::InvalidRequest
            | Self::TooLarge
            | Self::Malformed
            | Self::Quality
            | Self::Unknown { .. } => Reach::Answered,
        }
    }
}

impl Consequences {
    /// Returns the consequences of a failure of this scope.
    #[must_use]
    pub const fn within(mut self, scope: Scope) -> Self {
        match (scope, self.cooldown) {
            (Scope::Request, Cooldown::Target) => (self.cooldown, self.alert) = (Cooldown::None, false),
            (Scope::Unclear, Cooldown::Target) => self.cooldown = Cooldown::TargetIfRepeated,
            (Scope::Model, Cooldown::Key) => self.cooldown = Cooldown::Target,
            _ => {}
        }
        // Another account may have a higher limit.
        if let (Scope::Model, Hop::LargerWindow | Hop::LargerLimit) = (scope, self.hop) {
            self.hop = Hop::Yes;
        }
        self
    }
}

impl Failure {
    /// Returns the evidence that the failure gives about the provider as a whole. With a status it answered, even if its
    /// gateway reports a broken connection.
    pub fn reach(&self) -> Reach {
        if self.status().is_some() { Reach::Answered } else { self.kind().reach() }
    }

    /// Returns the consequences before any output was sent to the caller: those of its kind, within its scope.
    pub fn consequences(&self) -> Consequences {
        self.kind().consequences().within(self.scope())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;

    use super::*;

    #[test]
    fn no_retry_or_failover_after_commit() {
        for kind in FailureKind::ALL {
            let late = kind.consequences_after_commit();
            assert_eq!((late.retry, late.hop), (Retry::Never, Hop::No), "{kind}");
        }
    }

    #[test]
    fn consequences_table() {
        let mut table = String::new();
        for kind in FailureKind::ALL {
            let c = kind.consequences();
            let verdict = match c.verdict {
                Verdict::Success => "ok".to_owned(),
                Verdict::Neutral => "-".to_owned(),
                Verdict::Failure { window, streak } => {
                    format!("{window}{}", if streak { "+streak" } else { "" })
                }
            };
            let retry = format!("{:?}", c.retry);
            let (hop, cooldown) = (format!("{:?}", c.hop), format!("{:?}", c.cooldown));
            let cells = format!("{kind:<16} {retry:<14} {hop:<13}{verdict:<11} {cooldown:<12}");
            writeln!(table, "{}", format!("{cells}{}", if c.alert { "alert" } else { "" }).trim_end())
                .unwrap();
        }
        expect![[r#"
            connect          Immediate      Yes          100+streak  None
            timeout          OptIn          Yes          100+streak  None
            network          Immediate      Yes          100+streak  None
            stale_connection Free           Yes          -           None
            interrupted      Backoff        Yes          100+streak  None
            overloaded       Throttled      Yes          100+streak  RetryAfter
            server_error     Backoff        Yes          100+streak  RetryAfter
            rate_limited     ProviderDelay  Yes          25          RetryAfter
            quota_exhausted  Never          Yes          -           Key         alert
            auth             Never          Yes          -           KeyRejected alert
            permission       Never          Yes          -           Target      alert
            region           Never          Yes          -           Target      alert
            model_not_found  Never          Yes          -           Target      alert
            context_length   Never          LargerWindow -           None
            invalid_request  Never          OptIn        -           None
            too_large        Never          LargerLimit  -           None
            malformed        Backoff        Yes          100+streak  None
            quality          Repair         Yes          -           None
            unknown          Backoff        Yes          100+streak  RetryAfter  alert
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn scope_limits_the_cooldown_and_lifts_the_requirement() {
        use FailureKind::{ModelNotFound, Permission, QuotaExhausted, RateLimited, TooLarge};
        for (kind, scope, hop, cooldown, alert) in [
            (ModelNotFound, Scope::Kind, Hop::Yes, Cooldown::Target, true),
            (ModelNotFound, Scope::Request, Hop::Yes, Cooldown::None, false),
            (Permission, Scope::Unclear, Hop::Yes, Cooldown::TargetIfRepeated, true),
            (QuotaExhausted, Scope::Kind, Hop::Yes, Cooldown::Key, true),
            (QuotaExhausted, Scope::Model, Hop::Yes, Cooldown::Target, true),
            (RateLimited, Scope::Model, Hop::Yes, Cooldown::RetryAfter, false),
            (TooLarge, Scope::Unclear, Hop::LargerLimit, Cooldown::None, false),
            (TooLarge, Scope::Model, Hop::Yes, Cooldown::None, false),
        ] {
            let found = Failure::new(kind, "").with_scope(scope).consequences();
            assert_eq!((found.hop, found.cooldown, found.alert), (hop, cooldown, alert), "{kind} {scope:?}");
        }
    }
}
