use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{AttemptEnd, Money, RequestId, TargetId, Trace, Usage};

/// The report of one request: the outcome and every attempt.
///
/// Every answer has one, and every error raised after a target was selected.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The id of the request, under which its record is stored.
    pub id: RequestId,
    /// The primary of the request: the target that the strategy chose first for it; `None` if no target was needed.
    pub primary: Option<TargetId>,
    /// The number of moves from a target that failed or was skipped to another one.
    pub hops: u32,
    /// The source of the answer; `None` if there was none.
    pub served_by: Option<ServedBy>,
    /// The level of the degradation ladder.
    pub level: Level,
    /// The elapsed time; for a stream, up to now.
    pub took: Duration,
    /// The use of the cache; `None` if it was not consulted.
    pub cache: Option<CacheUse>,
    /// The error that the degraded answer replaces; `None` for a full answer.
    pub degraded: Option<String>,
    /// The limit that prevented another call to a target that failed; `None` after an answer, and if no limit did.
    pub limit: Option<Limit>,
    /// All attempts and skips, in order.
    pub trace: Trace,
}

/// A limit on the calls of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// The retries at one target.
    Retries,
    /// The calls of the request.
    Attempts,
    /// The deadline of the request.
    Deadline,
    /// The retry budget of the provider.
    RetryBudget,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retries => "max_retries is reached",
            Self::Attempts => "max_attempts is reached",
            Self::Deadline => "the deadline is too near",
            Self::RetryBudget => "the retry budget is empty",
        })
    }
}

/// The use of the cache for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// The cache held no fresh answer.
    Miss,
    /// The answer is that of an identical concurrent request.
    Coalesced,
    /// The answer is a fresh one from the cache.
    Hit {
        /// The age of the answer.
        age: Duration,
        /// The target that gave it.
        by: TargetId,
    },
    /// The answer is a stale one from the cache, because no target could answer.
    Stale {
        /// The age of the answer.
        age: Duration,
        /// The target that gave it.
        by: TargetId,
    },
}

impl fmt::Display for CacheUse {
    /// Writes the form of the header `x-fb-cache`: `hit; age=12; by="openai/gpt-6.1-sol"`, with the age in seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, age, by) = match self {
            Self::Miss => return f.write_str("miss"),
            Self::Coalesced => return f.write_str("coalesced"),
            Self::Hit { age, by } => ("hit", age, by),
            Self::Stale { age, by } => ("stale", age, by),
        };
        write!(f, "{word}; age={}; by=\"{by}\"", age.as_secs())
    }
}

impl Report {
    /// Returns the number of calls made to providers.
    pub fn attempts(&self) -> u32 {
        self.trace.calls()
    }

    /// Returns the targets of the request in the order of their first attempt, each with its last failure or else the reason
    /// why it was not called: `a/m: overloaded (529): Try later; b/n: skipped: breaker open`. Further targets than eight are
    /// only counted.
    pub fn reasons(&self) -> String {
        const MAX_TARGETS: usize = 8;
        let rows = self.trace.rows();
        let mut targets = Vec::new();
        for row in rows {
            if !targets.contains(&&row.target) {
                targets.push(&row.target);
            }
        }
        let reason = |target: &&TargetId| {
            let ends = || rows.iter().rev().filter(|row| row.target == **target).map(|row| &row.end);
            let failure = ends().find_map(|end| match end {
                AttemptEnd::Failed(failure) => Some(failure.with_detail()),
                _ => None,
            });
            let reason = failure.or_else(|| ends().next().map(ToString::to_string)).unwrap_or_default();
            format!("{target}: {}", cut(reason))
        };
        let mut reasons: Vec<String> = targets.iter().take(MAX_TARGETS).map(reason).collect();
        if let Some(more) = targets.len().checked_sub(MAX_TARGETS).filter(|more| *more > 0) {
            reasons.push(format!("and {more} more"));
        }
        reasons.join("; ")
    }

    /// Returns the token counts of the answer, if the provider reported them.
    pub fn usage(&self) -> Option<Usage> {
        self.trace.rows().iter().rev().find_map(|row| match &row.end {
            AttemptEnd::Ok { usage, .. } | AttemptEnd::Blocked { usage, .. } => *usage,
            AttemptEnd::Running
            | AttemptEnd::Failed(_)
            | AttemptEnd::Cancelled
            | AttemptEnd::Skipped { .. } => None,
        })
    }

    /// Returns the total cost of the calls with a known price; `None` if no call has one.
    pub fn cost(&self) -> Option<Money> {
        let costs = self.trace.rows().iter().filter_map(|row| match &row.end {
            AttemptEnd::Ok { cost, .. } => *cost,
            AttemptEnd::Running
            | AttemptEnd::Failed(_)
            | AttemptEnd::Blocked { .. }
            | AttemptEnd::Cancelled
            | AttemptEnd::Skipped { .. } => None,
        });
        costs.reduce(|sum, cost| sum + cost)
    }
}

/// Cuts the reason of a target to 200 characters.
fn cut(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(200) {
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

/// The source of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServedBy {
    /// A target.
    Target(TargetId),
    /// The cache.
    Cache,
    /// A configured static answer.
    Static,
}

impl fmt::Display for ServedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(target) => target.fmt(f),
            Self::Cache => f.write_str("cache"),
            Self::Static => f.write_str("static"),
        }
    }
}

/// The level of the degradation ladder, from best to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The full service.
    #[default]
    Full,
    /// A cheaper model or fewer features.
    Reduced,
    /// The minimum that is useful.
    Minimal,
    /// An answer from the cache.
    Cached,
    /// A configured static answer.
    Offline,
}

impl Level {
    /// All levels, the best first.
    pub const ALL: [Self; 5] = [Self::Full, Self::Reduced, Self::Minimal, Self::Cached, Self::Offline];

    /// Returns the name used in headers, metrics and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
            Self::Minimal => "minimal",
            Self::Cached => "cached",
            Self::Offline => "offline",
        }
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let known = Self::ALL.into_iter().find(|level| level.name() == text);
        known.ok_or_else(|| UnknownLevel(text.chars().take(64).collect()))
    }
}

/// The error for a name that is not a level.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a level; expected one of full, reduced, minimal, cached, offline")]
pub struct UnknownLevel(String);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

crate::with_changes!(Report);
