//! What tokens cost.

use crate::config::money;
use fb_core::{Money, Price, Usage};

const MILLION: u128 = 1_000_000;

/// Nano-dollars (10⁻⁹ USD) for a million tokens of each kind: one US dollar for a million is 1,000,000,000.
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

/// What the tokens of one model cost: one price, or steps by the length of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPrices {
    base: Rates,
    /// By length, the shortest first.
    steps: Vec<(u64, Rates)>,
}

impl TokenPrices {
    /// The same for prompts of any length.
    pub const fn flat(rates: Rates) -> Self {
        Self { base: rates, steps: Vec::new() }
    }

    /// The price of a target's own, in dollars per million tokens, 0 to 10⁹; cached tokens cost as others do.
    pub fn from_price(price: Price) -> Self {
        let (input, output) = (money(price.input).nanos(), money(price.output).nanos());
        Self::flat(Rates { input, cached_input: input, cache_write: input, output })
    }

    /// As `self`, with other rates for all tokens of a call whose prompt has more than `above` tokens.
    #[must_use]
    pub fn with_step(mut self, above: u64, rates: Rates) -> Self {
        let place = self.steps.partition_point(|(other, _)| *other <= above);
        self.steps.insert(place, (above, rates));
        self
    }

    /// The rates of a call whose prompt has `input` tokens.
    pub fn rates(&self, input: u64) -> Rates {
        let above = self.steps.iter().rev().find(|(above, _)| input > *above);
        above.map_or(self.base, |(_, rates)| *rates)
    }

    /// What a call cost, exact to the nano-dollar: the sum over all tokens is rounded once, half up. An amount that no
    /// [`Money`] holds is the largest one.
    ///
    /// Cached and written tokens beyond `input` are not counted: they are part of it.
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

    /// The most that a call may cost which has at most `input` prompt tokens and at most `output` generated ones.
    pub fn estimate(&self, input: u64, output: u64) -> Money {
        let reached = self.steps.iter().filter(|(above, _)| input > *above).map(|(_, rates)| *rates);
        let cost = |rates: Rates| {
            sum([(input, rates.input.max(rates.cached_input).max(rates.cache_write)), (output, rates.output)])
        };
        // A step down is possible: a shorter prompt may then be dearer.
        reached.map(cost).fold(cost(self.base), Money::max)
    }

    /// US dollars per million tokens of a short prompt, as a router compares them.
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
