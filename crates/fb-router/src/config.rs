//! How a route chooses, as it stands in a config.

use std::time::Duration;

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Candidate, HedgeConfig};

/// How a route chooses among its targets.
///
/// ```
/// # use fb_router::{Router, RouterConfig, Strategy};
/// let config = RouterConfig { strategy: Strategy::Fastest, ..RouterConfig::default() };
/// let router = Router::new(config)?;
/// # Ok::<(), fb_router::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouterConfig {
    /// Which target is tried when; priority.
    pub strategy: Strategy,
    /// Settings of the strategy `race`.
    pub race: RaceConfig,
    /// Settings of the strategy `hedged`.
    pub hedge: HedgeConfig,
    /// Settings of the strategy `sticky`.
    pub sticky: StickyConfig,
}

/// Which target is tried when. Under all but `priority`, a target that may not be called now comes after those that may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One after the other, the lowest `priority` first.
    #[default]
    Priority,
    /// By shares: each target is the first for as many requests as its weight says, exact to one request.
    Weighted,
    /// The one with the lower score of two drawn by chance; the score is the latency times the calls it would then have.
    Fastest,
    /// The lowest price for this request first.
    Cheapest,
    /// The fewest calls in flight first.
    LeastBusy,
    /// Requests of one key go to one target, as long as it may be called.
    Sticky,
    /// All or the first few at once; the first usable answer wins.
    Race,
    /// As priority, with a second target started when the first takes long.
    Hedged,
}

impl Strategy {
    /// Whether one request may begin several calls without any having failed.
    pub const fn is_concurrent(self) -> bool {
        matches!(self, Self::Race | Self::Hedged)
    }
}

/// How wide a race is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RaceConfig {
    /// How many targets start at once, 2 or more; all unless set.
    pub width: Option<usize>,
}

/// What requests stick by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StickyConfig {
    /// Where the key of a request is found: `user`, `session`, or the name of a tag. Default "user".
    pub by: StickyBy,
}

/// Where the key of a request is found. In a config `user`, `session`, or the name of a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StickyBy {
    /// The caller's id of the end user.
    #[default]
    User,
    /// The session.
    Session,
    /// The tag of this name.
    Tag(String),
}

impl From<String> for StickyBy {
    fn from(word: String) -> Self {
        match word.as_str() {
            "user" => Self::User,
            "session" => Self::Session,
            _ => Self::Tag(word),
        }
    }
}

impl From<StickyBy> for String {
    fn from(by: StickyBy) -> Self {
        match by {
            StickyBy::User => "user".to_owned(),
            StickyBy::Session => "session".to_owned(),
            StickyBy::Tag(name) => name,
        }
    }
}

/// Longest time that any setting may name.
const MAX_TIME: Duration = Duration::from_secs(3_600);

impl RouterConfig {
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if let Some(width @ ..2) = self.race.width {
            return Err(InvalidConfig::expecting("race.width", width, "2 or more"));
        }
        if self.sticky.by == StickyBy::Tag(String::new()) {
            return Err(InvalidConfig::expecting("sticky.by", "\"\"", "user, session or the name of a tag"));
        }
        let hedge = &self.hedge;
        if !(0.0..=1.0).contains(&hedge.budget) {
            return Err(InvalidConfig::expecting("hedge.budget", hedge.budget, "0 to 1"));
        }
        for (field, time) in [("hedge.after", hedge.after.time()), ("hedge.min", hedge.min)] {
            if time > MAX_TIME {
                return Err(InvalidConfig::expecting(field, format!("{time:?}"), "at most an hour"));
            }
        }
        Ok(())
    }

    /// Whether the targets of a route have what its strategy needs: a price for `cheapest`, usable weights for
    /// `weighted` and `sticky`.
    ///
    /// # Errors
    /// Names the first target that lacks something, and what.
    pub fn check(&self, candidates: &[Candidate<'_>]) -> Result<(), InvalidTarget> {
        for candidate in candidates {
            let invalid = |field, value, expected| {
                Err(InvalidTarget { target: candidate.target.to_string(), field, value, expected })
            };
            let usable = |amount: f64| amount.is_finite() && amount >= 0.0;
            if let Some(price) = candidate.price {
                if !usable(price.input) || !usable(price.output) {
                    let value = format!("{} / {}", price.input, price.output);
                    return invalid("price", value, "not negative");
                }
            } else if self.strategy == Strategy::Cheapest {
                return invalid("price", "missing".to_owned(), "a price: the strategy is cheapest");
            }
            if !(candidate.weight > 0.0 && candidate.weight <= Candidate::MAX_WEIGHT) {
                return invalid("weight", candidate.weight.to_string(), "more than 0, at most 1000000");
            }
        }
        Ok(())
    }
}

/// A target that its route's strategy cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("target {target}: `{field}` is {value}, expected {expected}")]
pub struct InvalidTarget {
    /// `PROVIDER/MODEL`.
    pub target: String,
    /// The field.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests;
