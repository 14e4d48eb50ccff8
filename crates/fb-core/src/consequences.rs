#![deny(clippy::wildcard_enum_match_arm)]

use crate::{FailureKind, Phase};

/// What follows from a failure: the one table the whole product decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequences {
    /// Whether the same target is tried again.
    pub retry: Retry,
    /// Whether another target is tried.
    pub hop: Hop,
    /// What the target's circuit breaker hears.
    pub verdict: Verdict,
    /// For how long and what is left alone.
    pub cool: Cool,
    /// Whether somebody has to repair something: a key, a permission, a model's name.
    pub alert: bool,
    /// The HTTP status of the answer to the caller when nothing else is left; 0 stands for the provider's own.
    pub status: u16,
    /// The machine-readable code of that answer.
    pub code: &'static str,
}

/// Whether the same target is tried again, and how soon. `most` limits it beside the target's `max_retries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not at all.
    Never,
    /// At once, at most this often.
    AtOnce {
        /// Most retries.
        most: u32,
    },
    /// At once and once, beyond the target's `max_retries`: a stale kept-alive connection is nobody's fault.
    Free,
    /// After the usual backoff.
    Backoff {
        /// Most retries.
        most: u32,
    },
    /// After a longer backoff: the provider is short of capacity.
    Throttled {
        /// Most retries.
        most: u32,
    },
    /// When the provider said so and it is soon; without its word, once.
    Hinted,
    /// Once, with the gate's message added to the prompt.
    Repair,
}

/// Whether another target is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// No: the caller hears of it at once.
    No,
    /// No, unless the target's `trigger_on` names the kind.
    OptIn,
    /// Yes.
    Yes,
    /// Only to a target whose window of tokens is known to be larger.
    LargerWindow,
    /// Only to a target whose limit on a request's size is known to be larger.
    LargerLimit,
}

/// What a circuit breaker hears of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The target works.
    Success,
    /// The attempt says nothing about the target's health.
    Neutral,
    /// The target failed.
    Failure {
        /// Weight in the failure-rate window, in hundredths of a failure.
        window: u8,
        /// Whether it counts towards consecutive failures.
        streak: bool,
    },
}

impl Verdict {
    /// A failure in full.
    pub const FULL: Self = Self::Failure { window: 100, streak: true };
}

/// What is left alone for a while, beside the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cool {
    /// Nothing.
    No,
    /// The target, for as long as the provider asked; not at all without its word.
    Hint,
    /// The target, for long: only its operator can help.
    TargetLong,
    /// All targets of the provider's key, until the hint or for long.
    KeyLong,
    /// All targets of the provider's key, until the configuration changes.
    KeyDead,
}

const MANY: u32 = u32::MAX;

/// A row of the table, in the order of its columns.
const fn row(
    retry: Retry,
    hop: Hop,
    verdict: Verdict,
    cool: Cool,
    alert: bool,
    status: u16,
    code: &'static str,
) -> Consequences {
    Consequences { retry, hop, verdict, cool, alert, status, code }
}

impl FailureKind {
    /// Returns the consequences of a failure of this kind after a stream's first semantic event was sent to the
    /// caller: no failure is retried, and none causes failover.
    pub const fn consequences_after_commit(self) -> Consequences {
        let mut consequences = self.consequences();
        consequences.retry = Retry::Never;
        consequences.hop = Hop::No;
        if let Self::Interrupted = self {
            // Part of the answer was delivered, so it counts as half a failure.
            consequences.verdict = Verdict::Failure { window: 50, streak: true };
        }
        consequences
    }

    /// Returns the consequences of a failure of this kind before any output was sent to the caller.
    pub const fn consequences(self) -> Consequences {
        use Hop::{LargerLimit, LargerWindow, OptIn, Yes};
        use Retry::{AtOnce, Backoff, Free, Hinted, Never, Repair, Throttled};
        const FULL: Verdict = Verdict::FULL;
        const NEUTRAL: Verdict = Verdict::Neutral;
        const RATE: Verdict = Verdict::Failure { window: 25, streak: false };
        match self {
            Self::Connect => row(AtOnce { most: 1 }, Yes, FULL, Cool::No, false, 502, "upstream_unreachable"),
            Self::Timeout(Phase::Connect) => {
                row(AtOnce { most: 1 }, Yes, FULL, Cool::No, false, 504, "upstream_timeout")
            }
            // The request was sent: a second one here could be billed twice and wait as long again.
            Self::Timeout(Phase::FirstByte | Phase::FirstToken | Phase::Idle | Phase::Total) => {
                row(Never, Yes, FULL, Cool::No, false, 504, "upstream_timeout")
            }
            Self::Network => row(Backoff { most: MANY }, Yes, FULL, Cool::No, false, 502, "upstream_network"),
            Self::StaleConnection => row(Free, Yes, NEUTRAL, Cool::No, false, 502, "upstream_network"),
            Self::Interrupted => {
                row(Backoff { most: MANY }, Yes, FULL, Cool::No, false, 502, "upstream_interrupted")
            }
            Self::Overloaded => {
                row(Throttled { most: MANY }, Yes, FULL, Cool::No, false, 503, "upstream_overloaded")
            }
            Self::ServerError => {
                row(Backoff { most: MANY }, Yes, FULL, Cool::No, false, 502, "upstream_error")
            }
            Self::RateLimited => row(Hinted, Yes, RATE, Cool::Hint, false, 429, "rate_limit_exceeded"),
            Self::QuotaExhausted => row(Never, Yes, NEUTRAL, Cool::KeyLong, true, 429, "insufficient_quota"),
            Self::Auth => row(Never, Yes, NEUTRAL, Cool::KeyDead, true, 502, "upstream_credentials"),
            Self::Permission => row(Never, Yes, NEUTRAL, Cool::TargetLong, true, 502, "upstream_permission"),
            Self::Region => row(Never, Yes, NEUTRAL, Cool::TargetLong, true, 502, "upstream_region"),
            Self::ModelNotFound => row(Never, Yes, NEUTRAL, Cool::TargetLong, true, 404, "model_not_found"),
            Self::ContextLength => {
                row(Never, LargerWindow, NEUTRAL, Cool::No, false, 400, "context_length_exceeded")
            }
            Self::InvalidRequest => row(Never, OptIn, NEUTRAL, Cool::No, false, 400, "invalid_request"),
            Self::TooLarge => row(Never, LargerLimit, NEUTRAL, Cool::No, false, 413, "request_too_large"),
            Self::Malformed => {
                row(Backoff { most: 1 }, Yes, FULL, Cool::No, false, 502, "upstream_malformed")
            }
            Self::Quality => row(Repair, Yes, NEUTRAL, Cool::No, false, 502, "quality_gate"),
            Self::Unknown { server: true } => {
                row(Backoff { most: 1 }, Yes, FULL, Cool::No, true, 502, "upstream_error")
            }
            Self::Unknown { server: false } => {
                row(Never, OptIn, NEUTRAL, Cool::No, true, 0, "invalid_request")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;

    use super::*;

    #[test]
    fn nothing_is_retried_or_moved_after_the_commit() {
        for kind in FailureKind::ALL {
            let then = kind.consequences_after_commit();
            assert_eq!((then.retry, then.hop), (Retry::Never, Hop::No), "{kind}");
        }
    }

    #[test]
    fn the_table_reads_as_designed() {
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
            let retry = format!("{:?}", c.retry).replace(" { most: 4294967295 }", "");
            let (hop, cool) = (format!("{:?}", c.hop), format!("{:?}", c.cool));
            let cells = format!("{kind:<16} {retry:<20} {hop:<13}{verdict:<11} {cool:<11}");
            writeln!(table, "{cells}{} {}{}", c.status, c.code, if c.alert { " !" } else { "" }).unwrap();
        }
        expect![[r#"
            connect          AtOnce { most: 1 }   Yes          100+streak  No         502 upstream_unreachable
            timeout          Never                Yes          100+streak  No         504 upstream_timeout
            network          Backoff              Yes          100+streak  No         502 upstream_network
            stale_connection Free                 Yes          -           No         502 upstream_network
            interrupted      Backoff              Yes          100+streak  No         502 upstream_interrupted
            overloaded       Throttled            Yes          100+streak  No         503 upstream_overloaded
            server_error     Backoff              Yes          100+streak  No         502 upstream_error
            rate_limited     Hinted               Yes          25          Hint       429 rate_limit_exceeded
            quota_exhausted  Never                Yes          -           KeyLong    429 insufficient_quota !
            auth             Never                Yes          -           KeyDead    502 upstream_credentials !
            permission       Never                Yes          -           TargetLong 502 upstream_permission !
            region           Never                Yes          -           TargetLong 502 upstream_region !
            model_not_found  Never                Yes          -           TargetLong 404 model_not_found !
            context_length   Never                LargerWindow -           No         400 context_length_exceeded
            invalid_request  Never                OptIn        -           No         400 invalid_request
            too_large        Never                LargerLimit  -           No         413 request_too_large
            malformed        Backoff { most: 1 }  Yes          100+streak  No         502 upstream_malformed
            quality          Repair               Yes          -           No         502 quality_gate
            unknown          Backoff { most: 1 }  Yes          100+streak  No         502 upstream_error !
        "#]]
        .assert_eq(&table);
    }
}
