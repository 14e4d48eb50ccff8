use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
};

use serde::{Deserialize, Serialize};

use crate::Usage;

/// An amount in whole nano-dollars (10⁻⁹ USD).
///
/// Sums saturate instead of wrapping around. Displays as US dollars with four decimals.
///
/// # Examples
///
/// ```
/// use fb_core::{Price, Usage};
///
/// let price = Price { input: 2.0, output: 10.0 };
/// let cost = price.cost(Usage { input: 50, output: 300, ..Usage::default() });
/// assert_eq!(cost.to_string(), "$0.0031");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

impl Money {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// Creates an amount from nano-dollars.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the amount in nano-dollars.
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A single call costs fractions of a cent: four decimals, rounded half up.
        let tenths = self.0.saturating_add(50_000) / 100_000;
        write!(f, "${}.{:04}", tenths / 10_000, tenths % 10_000)
    }
}

/// The price of a million tokens in US dollars, as in every provider's price list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// USD per million prompt tokens.
    pub input: f64,
    /// USD per million generated tokens.
    pub output: f64,
}

impl Price {
    /// Returns the cost of the usage; cached tokens are charged as plain input.
    pub fn cost(&self, usage: Usage) -> Money {
        // 1 USD per million tokens is 1,000 nano-dollars a token.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "token counts are far below 2^52, prices are checked to be finite and not negative"
        )]
        let nanos = |tokens: u64, price: f64| (tokens as f64 * price * 1_000.0).round() as u64;
        Money(nanos(usage.input, self.input).saturating_add(nanos(usage.output, self.output)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_computed_per_million_tokens() {
        let price = Price { input: 2.0, output: 10.0 };
        let usage = Usage { input: 50, output: 300, ..Usage::default() };
        assert_eq!(price.cost(usage), Money::from_nanos(3_100_000));
        assert_eq!(price.cost(usage).to_string(), "$0.0031");
        assert_eq!(Money::from_nanos(12_345_678_900).to_string(), "$12.3457");
        let sum: Money = [Money::from_nanos(u64::MAX), Money::from_nanos(1)].into_iter().sum();
        assert_eq!(sum.nanos(), u64::MAX);
    }
}
