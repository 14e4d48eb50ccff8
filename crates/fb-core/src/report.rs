use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{AttemptEnd, Money, RequestId, TargetId, Trace, Usage};

/// What happened to one request; comes with every answer and with every error that saw a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The request's own id, by which its record is found again.
    pub id: RequestId,
    /// Who answered; `None` when nobody did.
    pub served_by: Option<ServedBy>,
    /// On which rung of the ladder.
    pub level: Level,
    /// How long it took; for a stream, so far.
    pub took: Duration,
    /// What the cache had to do with it; `None` when it was not asked.
    pub cache: Option<CacheUse>,
    /// Why the answer is not a whole one: the error that would have been given instead.
    pub degraded: Option<String>,
    /// Every attempt and skip, in order.
    pub trace: Trace,
}

/// What the cache had to do with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// It had no fresh answer.
    Miss,
    /// The answer is that of the same request made by another at the same time.
    Coalesced,
    /// The answer is from it, and fresh.
    Hit {
        /// How long ago it was given.
        age: Duration,
        /// Who gave it.
        by: TargetId,
    },
    /// The answer is from it, and past its time, as no target could answer.
    Stale {
        /// How long ago it was given.
        age: Duration,
        /// Who gave it.
        by: TargetId,
    },
}

impl fmt::Display for CacheUse {
    /// As in the header `x-fb-cache`: `hit; age=12; by="openai/gpt-6.1-sol"`, with the age in seconds.
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
    /// Calls made to providers.
    pub fn attempts(&self) -> u32 {
        self.trace.calls()
    }

    /// Times the request moved on from one called target to another.
    pub fn hops(&self) -> u32 {
        self.trace.hops()
    }

    /// Tokens of the answer, if its provider counted them.
    pub fn usage(&self) -> Option<Usage> {
        self.trace.rows().iter().rev().find_map(|row| match &row.end {
            AttemptEnd::Ok { usage, .. } | AttemptEnd::Blocked { usage, .. } => *usage,
            AttemptEnd::Running
            | AttemptEnd::Failed(_)
            | AttemptEnd::Cancelled
            | AttemptEnd::Skipped { .. } => None,
        })
    }

    /// What the priced calls cost together.
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

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServedBy {
    /// A provider's model.
    Target(TargetId),
    /// The cache.
    Cache,
    /// A fixed answer.
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

/// Rung of the degradation ladder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// As asked.
    #[default]
    Full,
    /// A cheaper model or fewer features.
    Reduced,
    /// The least that is useful.
    Minimal,
    /// An earlier answer.
    Cached,
    /// A fixed answer.
    Offline,
}

impl Level {
    /// Every level, the best first.
    pub const ALL: [Self; 5] = [Self::Full, Self::Reduced, Self::Minimal, Self::Cached, Self::Offline];

    /// The word used in headers, metrics and configs.
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

/// No such level.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no level; expected one of full, reduced, minimal, cached, offline")]
pub struct UnknownLevel(String);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
