//! The plan of a request: its targets in order, each with a reason.

use std::{fmt, time::Duration};

use fb_core::{Money, Refusal, Skip, TargetId};

/// The targets of one request in the order in which to try them, with the reason for every rank and every refusal.
///
/// Displays as aligned rows, one line per target.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The admissible targets, in the order in which to try them.
    pub order: Vec<Ranked>,
    /// The targets that this request must not reach, in list order.
    pub inadmissible: Vec<Inadmissible>,
    /// The index in the list of candidates of an inadmissible target that only the estimated number of tokens excludes: the
    /// one with the largest window. It may be tried once all others have failed.
    pub doubtful: Option<usize>,
    /// The number of targets that start at once.
    pub start: Start,
}

/// An admissible target at its rank.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ranked {
    /// The index in the list of candidates.
    pub index: usize,
    /// The target.
    pub target: TargetId,
    /// The reason for the rank.
    pub reason: RankReason,
    /// The reason why the target cannot be called now; `None` if it can.
    pub skip: Option<Skip>,
}

/// A target that the request must not reach, and the rule that forbids it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inadmissible {
    /// The index in the list of candidates.
    pub index: usize,
    /// The target.
    pub target: TargetId,
    /// The rule that forbids the target.
    pub refusal: Refusal,
}

/// The way in which targets start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Each target starts after the previous one failed.
    Sequential,
    /// The given number of targets, 2 or more, starts at once; the others start after all of these failed.
    Parallel(usize),
    /// The second target starts after a delay if the first has not answered and the hedge budget permits it.
    Hedged {
        /// The delay.
        after: Duration,
    },
}

/// The reason for a target's rank.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum RankReason {
    /// The request prefers the target.
    Preferred,
    /// The priority of the target.
    Priority(u32),
    /// The target's turn in the weighted rotation, with its share (0 to 1) of the route's weights.
    Turn(f64),
    /// The weight of the target, scaled by the share of traffic it currently receives.
    Weight(f64),
    /// The lower score, in seconds, of two targets drawn at random.
    Drawn(f64),
    /// The score of the target, in seconds.
    Score(f64),
    /// A target without a measured latency: either this call measures it, or calls that will are in flight.
    Unmeasured {
        /// Set while measuring calls are in flight.
        waiting: bool,
    },
    /// The expected cost of the request; `None` without a price.
    Cost(Option<Money>),
    /// The number of calls in flight at the target.
    InFlight(u32),
    /// The rank by rendezvous hashing of the request's sticky key.
    Key,
}

impl fmt::Display for RankReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preferred => f.write_str("preferred by the request"),
            Self::Priority(priority) => write!(f, "priority {priority}"),
            Self::Turn(share) => write!(f, "its turn, {:.1} %", share * 1e2),
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
