//! The savings of a route compared with always using the best model.

use fb_core::{Money, Price, TargetId, Usage};
use thiserror::Error;

use crate::facts::{estimate_tokens, size};

/// A served or hypothetical request: its target and token usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedRequest<'a> {
    /// The target that serves the request.
    pub target: &'a TargetId,
    /// The tokens of the request.
    pub usage: Usage,
}

impl<'a> ServedRequest<'a> {
    /// Creates a request from a prompt text, with [`estimate_tokens`] of the text as input and `output` tokens as
    /// answer.
    pub fn from_text(target: &'a TargetId, text: &str, output: u64) -> Self {
        let input = estimate_tokens(size(text.len()));
        Self { target, usage: Usage { input, output, ..Usage::default() } }
    }
}

/// The cost of a set of requests, and the cost of the same tokens at the best model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Savings {
    /// The cost at the targets that served the requests.
    pub spent: Money,
    /// The cost of the same tokens at the best model.
    pub against_best: Money,
}

impl Savings {
    /// Returns the amount saved, or zero if the requests cost more than at the best model.
    pub const fn saved(&self) -> Money {
        Money::from_nanos(self.against_best.nanos().saturating_sub(self.spent.nanos()))
    }

    /// Returns the savings in percent of the best model's cost, or `None` if the best model costs nothing.
    ///
    /// The value is negative if the requests cost more than at the best model.
    #[expect(clippy::cast_precision_loss, reason = "a percentage; the amounts themselves are exact")]
    pub fn saved_percent(&self) -> Option<f64> {
        let (spent, best) = (i128::from(self.spent.nanos()), i128::from(self.against_best.nanos()));
        (best > 0).then(|| (best - spent) as f64 * 1e2 / best as f64)
    }
}

/// Computes the cost of the requests at `prices` and at the price of the best model.
///
/// The cost of each request is rounded to whole nano-dollars; sums are exact.
///
/// # Errors
/// Returns the first target without a price.
pub fn savings(
    requests: &[ServedRequest<'_>],
    prices: impl Fn(&TargetId) -> Option<Price>,
    best: Price,
) -> Result<Savings, MissingPrice> {
    requests.iter().try_fold(Savings::default(), |sum, ServedRequest { target, usage }| {
        let price = prices(target).ok_or_else(|| MissingPrice((*target).clone()))?;
        Ok(Savings {
            spent: sum.spent + price.cost(*usage),
            against_best: sum.against_best + best.cost(*usage),
        })
    })
}

/// An error for requests at a target without a price.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("target {0} has no price")]
pub struct MissingPrice(pub TargetId);

#[cfg(test)]
mod tests;
