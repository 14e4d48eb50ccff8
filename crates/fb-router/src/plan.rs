//! Who is tried in which order, and why.

use std::{fmt, time::Duration};

use fb_core::{Money, Refusal, Skip, TargetId};

/// The targets of one request in the order they are tried, with the reason for every rank and every refusal.
///
/// Displays as aligned rows, one line each.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Who is tried, in this order.
    pub order: Vec<Ranked>,
    /// Who may not be asked at all, in list order.
    pub inadmissible: Vec<Inadmissible>,
    /// How many start at once.
    pub start: Start,
}

/// A target and its rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Its place in the list of candidates.
    pub index: usize,
    /// Its name.
    pub target: TargetId,
    /// Why it has this rank.
    pub reason: RankReason,
    /// Why it may not be called right now, if so.
    pub skip: Option<Skip>,
}

/// A target that may not be asked, and the rule that forbids it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inadmissible {
    /// Its place in the list of candidates.
    pub index: usize,
    /// Its name.
    pub target: TargetId,
    /// The rule.
    pub refusal: Refusal,
}

/// How the targets start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Each when the one before has failed.
    Sequential,
    /// So many at the same time, the others when all of these have failed; 2 or more.
    Parallel(usize),
    /// The second so long after the first if that has not answered by then, and the hedge budget has one.
    Hedged {
        /// How long.
        after: Duration,
    },
}

/// Why a target has its rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RankReason {
    /// The request prefers it.
    Preferred,
    /// Its priority.
    Priority(u32),
    /// It is its turn, by this part (0 to 1) of the route's weights.
    Turn(f64),
    /// Its weight, times the part of its usual traffic it gets.
    Weight(f64),
    /// It had the lower score of the two that chance drew; the score in seconds.
    Drawn(f64),
    /// Its score in seconds.
    Score(f64),
    /// It was never measured, and this is the call to measure it; or such a call is still out.
    Unmeasured {
        /// Whether calls are still out.
        waiting: bool,
    },
    /// What the request is expected to cost there; `None` without a price.
    Cost(Option<Money>),
    /// The calls it has in flight.
    InFlight(u32),
    /// Its rank for the request's key.
    Key,
}

impl fmt::Display for RankReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preferred => f.write_str("preferred by the request"),
            Self::Priority(priority) => write!(f, "priority {priority}"),
            Self::Turn(part) => write!(f, "its turn, {:.1} %", part * 1e2),
            Self::Weight(weight) => write!(f, "weight {}", (weight * 1e6).round() / 1e6),
            Self::Drawn(score) => write!(f, "faster of two drawn, score {score:.3} s"),
            Self::Score(score) => write!(f, "score {score:.3} s"),
            Self::Unmeasured { waiting: false } => f.write_str("never measured"),
            Self::Unmeasured { waiting: true } => f.write_str("never measured, first calls are out"),
            Self::Cost(Some(cost)) => write!(f, "costs about {cost}"),
            Self::Cost(None) => f.write_str("no price"),
            Self::InFlight(calls) => write!(f, "{calls} in flight"),
            Self::Key => f.write_str("rank for the key"),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequential => f.write_str("one by one"),
            Self::Parallel(count) => write!(f, "first {count} at once"),
            Self::Hedged { after } => write!(f, "second after {} ms", after.as_millis()),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.order.iter().map(|ranked| &ranked.target);
        let names = names.chain(self.inadmissible.iter().map(|refused| &refused.target));
        let width = names.map(|name| name.to_string().chars().count()).max().unwrap_or(0);
        for (rank, Ranked { target, reason, skip, .. }) in (1..).zip(&self.order) {
            let target = target.to_string();
            write!(f, "{rank:<2} {target:width$}  {reason}")?;
            match skip {
                Some(skip) => writeln!(f, ", not now: {skip}")?,
                None => writeln!(f)?,
            }
        }
        for Inadmissible { target, refusal, .. } in &self.inadmissible {
            let target = target.to_string();
            writeln!(f, "-  {target:width$}  refused, {refusal}")?;
        }
        writeln!(f, "start: {}", self.start)
    }
}
