//! The price of tokens.

use fb_core::{Money, Price, Usage};

use crate::config::money;

const MILLION: u128 = 1_000_000;

/// Nano-dollars (10⁻⁹ USD) per million tokens of each kind: one US dollar per million tokens is 1,000,000,000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Prompt tokens that were neither read from the provider's cache nor written to it.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached_input: u64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: u64,
    /// Generated tokens, thinking included.
    pub output: u64,
}

/// The token prices of one model: a single price, or steps by the length of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPrices {
    base: Rates,
    /// Sorted by length, the shortest first.
    steps: Vec<(u64, Rates)>,
}

impl TokenPrices {
    /// Creates prices that are equal for prompts of any length.
    pub const fn flat(rates: Rates) -> Self {
        Self { base: rates, steps: Vec::new() }
    }

    /// Creates prices from US dollars per million tokens, 0 to 10⁹; cached tokens cost as much as other tokens.
    pub fn from_price(price: Price) -> Self {
        let (input, output) = (money(price.input).nanos(), money(price.output).nanos());
        Self::flat(Rates { input, cached_input: input, cache_write: input, output })
    }

    /// Adds other rates for all tokens of a call with a prompt of more than `above` tokens.
    #[must_use]
    pub fn with_step(mut self, above: u64, rates: Rates) -> Self {
        let index = self.steps.partition_point(|(other, _)| *other <= above);
        self.steps.insert(index, (above, rates));
        self
    }

    /// Returns the rates of a call with a prompt of `input` tokens.
    pub fn rates(&self, input: u64) -> Rates {
        let above = self.steps.iter().rev().find(|(above, _)| input > *above);
        above.map_or(self.base, |(_, rates)| *rates)
    }

    /// Returns the cost of a call, exact to the nano-dollar: the sum over all tokens is rounded once, half up, and
    /// saturates at the largest [`Money`].
    ///
    /// Cached and written tokens are part of `input`; any beyond it are not counted.
    pub fn cost(&self, usage: Usage) -> Money {
        let rates = self.rates(usage.input);
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_written.min(usage.input - cached);
        let plain = usage.input - cached - written;
        sum([
            (plain, rates.input),
            (cached, rates.cached_input),
            (written, rates.cache_write),
            (usage.output, rates.output),
        ])
    }

    /// Returns the maximum cost of a call with at most `input` prompt tokens and at most `output` generated tokens.
    pub fn estimate(&self, input: u64, output: u64) -> Money {
        let reached = self.steps.iter().filter(|(above, _)| input > *above).map(|(_, rates)| *rates);
        let cost = |rates: Rates| {
            sum([(input, rates.input.max(rates.cached_input).max(rates.cache_write)), (output, rates.output)])
        };
        // Rates may fall from one step to the next, so that a shorter prompt may cost more.
        reached.map(cost).fold(cost(self.base), Money::max)
    }

    /// Returns US dollars per million tokens of a short prompt, for comparisons by a router.
    pub fn per_million(&self) -> Price {
        #[expect(clippy::cast_precision_loss, reason = "for comparing, and exact up to 9,000,000 dollars")]
        let usd = |nanos: u64| nanos as f64 / 1e9;
        Price { input: usd(self.base.input), output: usd(self.base.output) }
    }
}

fn sum<const N: usize>(parts: [(u64, u64); N]) -> Money {
    let total = parts.iter().fold(0_u128, |sum, (tokens, rate)| {
        sum.saturating_add(u128::from(*tokens).saturating_mul(u128::from(*rate)))
    });
    let nanos = total.saturating_add(MILLION / 2) / MILLION;
    Money::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
