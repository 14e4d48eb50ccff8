//! What a route saved against always using the best model.

use fb_core::{Money, Price, TargetId, Usage};
use thiserror::Error;

use crate::facts::{estimate_tokens, size};

/// A request that was served, or might be: by whom, and for how many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedRequest<'a> {
    /// Who serves it.
    pub target: &'a TargetId,
    /// Its tokens.
    pub usage: Usage,
}

impl<'a> ServedRequest<'a> {
    /// A request of this text, its tokens estimated as [`estimate_tokens`] does, with an answer of `output` tokens.
    pub fn from_text(target: &'a TargetId, text: &str, output: u64) -> Self {
        let input = estimate_tokens(size(text.len()));
        Self { target, usage: Usage { input, output, ..Usage::default() } }
    }
}

/// What requests cost, and what they would have cost at the best model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Savings {
    /// What they cost where they were served.
    pub spent: Money,
    /// What the same tokens cost at the best model.
    pub against_best: Money,
}

impl Savings {
    /// What was saved; nothing if it was the dearer way.
    pub const fn saved(&self) -> Money {
        Money::from_nanos(self.against_best.nanos().saturating_sub(self.spent.nanos()))
    }

    /// What was saved in percent of the best model's cost, less than 0 if it was the dearer way; `None` if the best
    /// model costs nothing.
    #[expect(clippy::cast_precision_loss, reason = "a percentage; the amounts themselves are exact")]
    pub fn saved_percent(&self) -> Option<f64> {
        let (spent, best) = (i128::from(self.spent.nanos()), i128::from(self.against_best.nanos()));
        (best > 0).then(|| (best - spent) as f64 * 1e2 / best as f64)
    }
}

/// What the queries cost at `prices`, and what they would have cost at the best model's.
///
/// Each query is rounded to whole nano-dollars by itself; sums are exact.
///
/// # Errors
/// Names the first target without a price.
pub fn savings(
    queries: &[ServedRequest<'_>],
    prices: impl Fn(&TargetId) -> Option<Price>,
    best: Price,
) -> Result<Savings, MissingPrice> {
    queries.iter().try_fold(Savings::default(), |sum, ServedRequest { target, usage }| {
        let price = prices(target).ok_or_else(|| MissingPrice((*target).clone()))?;
        Ok(Savings {
            spent: sum.spent + price.cost(*usage),
            against_best: sum.against_best + best.cost(*usage),
        })
    })
}

/// A target whose queries cannot be reckoned.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("target {0} has no price")]
pub struct MissingPrice(pub TargetId);

#[cfg(test)]
mod tests;
