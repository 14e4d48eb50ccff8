//! The configuration of a router.

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Candidate, HedgeConfig};

/// The target selection of a route.
///
/// # Examples
///
/// ```
/// # use fb_router::{Router, RouterConfig, Strategy};
/// let config = RouterConfig::with(|config| config.strategy = Strategy::Fastest);
/// let router = Router::new(config)?;
/// # Ok::<(), fb_core::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RouterConfig {
    /// The order in which targets are tried. Defaults to "priority".
    pub strategy: Strategy,
    /// The settings of the strategy `race`.
    pub race: RaceConfig,
    /// The settings of the strategy `hedged`.
    pub hedge: HedgeConfig,
    /// The settings of the strategy `sticky`.
    pub sticky: StickyConfig,
}

/// The order in which targets are tried. Under all strategies except `priority`, targets that cannot be called now come
/// last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// One target after another, the lowest `priority` first.
    #[default]
    Priority,
    /// Weighted round robin: each target comes first for its share of the requests, exact to one request.
    Weighted,
    /// The better of two targets drawn at random; the score is the latency times the calls in flight plus one.
    Fastest,
    /// The lowest expected cost of the request first.
    Cheapest,
    /// The fewest calls in flight first.
    LeastBusy,
    /// All requests with the same key go to the same target while it can be called.
    Sticky,
    /// All targets, or the first few, at once; the first usable answer wins.
    Race,
    /// As `priority`, with a second call to another target if the first is slow.
    Hedged,
}

impl Strategy {
    /// Returns whether a request may have several calls in flight without a failure.
    pub const fn is_concurrent(self) -> bool {
        matches!(self, Self::Race | Self::Hedged)
    }
}

/// The settings of the strategy `race`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RaceConfig {
    /// The number of targets that start at once, 2 or more; all unless set.
    pub width: Option<usize>,
}

/// The settings of the strategy `sticky`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StickyConfig {
    /// The source of the sticky key: `user`, `session`, or the name of a tag. Defaults to "user".
    pub by: StickyBy,
}

/// The source of a request's sticky key: in a configuration `user`, `session`, or the name of a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StickyBy {
    /// The caller's identifier of the end user.
    #[default]
    User,
    /// The session of the request.
    Session,
    /// The request tag with this name.
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

impl RouterConfig {
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if let Some(width @ ..2) = self.race.width {
            return Err(InvalidConfig::expecting("race.width", width, "2 or more"));
        }
        if self.sticky.by == StickyBy::Tag(String::new()) {
            return Err(InvalidConfig::expecting("sticky.by", "\"\"", "user, session or the name of a tag"));
        }
        self.hedge.validate()
    }

    /// Checks that the targets of a route have the properties that its strategy needs: a price for `cheapest`, and
    /// valid prices and weights in any case.
    ///
    /// # Errors
    /// Returns the first invalid property of the first invalid target.
    pub fn check(&self, candidates: &[Candidate<'_>]) -> Result<(), InvalidTarget> {
        for candidate in candidates {
            let invalid = |field, value, expected| {
                Err(InvalidTarget { target: candidate.target.to_string(), field, value, expected })
            };
            let is_valid = |amount: f64| amount.is_finite() && amount >= 0.0;
            if let Some(price) = candidate.price {
                if !is_valid(price.input) || !is_valid(price.output) {
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

/// An invalid property of a target, as returned by [`RouterConfig::check`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("target {target}: `{field}` is {value}, expected {expected}")]
#[non_exhaustive]
pub struct InvalidTarget {
    /// The target, as `PROVIDER/MODEL`.
    pub target: String,
    /// The name of the invalid property.
    pub field: &'static str,
    /// The rejected value.
    pub value: String,
    /// The accepted range.
    pub expected: &'static str,
}

fb_core::with_changes!(RouterConfig, RaceConfig, StickyConfig);

#[cfg(test)]
mod tests;
