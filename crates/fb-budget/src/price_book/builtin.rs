//! The list of genai-prices. It computes the cost of a usage but does not expose rates, so rates are derived from
//! costs.

use std::time::SystemTime;

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};

use crate::price::{Rates, TokenPrices};

/// Longer than any model's context.
const LONGEST: u64 = 1 << 25;

/// Returns the prices of a model with their steps, or `None` if the model is not in the list or not priced by tokens.
pub(crate) fn prices(kind: &str, model: &str, at: SystemTime) -> Option<TokenPrices> {
    let model = ListedModel { kind, model, at };
    let base = model.rates(1)?;
    let mut prices = TokenPrices::flat(base);
    let mut steps = Vec::new();
    model.steps((1, base), (LONGEST, model.rates(LONGEST)?), &mut steps)?;
    for (above, rates) in steps {
        prices = prices.with_step(above, rates);
    }
    let free = base.input == 0 && base.output == 0;
    (!free).then_some(prices)
}

struct ListedModel<'a> {
    kind: &'a str,
    model: &'a str,
    at: SystemTime,
}

impl ListedModel<'_> {
    /// Finds all prompt lengths between two lengths after which the rates change, the shortest first, by bisection.
    fn steps(&self, short: (u64, Rates), long: (u64, Rates), found: &mut Vec<(u64, Rates)>) -> Option<()> {
        if short.1 == long.1 {
            return Some(());
        }
        if long.0 - short.0 == 1 {
            found.push((short.0, long.1));
            return Some(());
        }
        let middle = short.0.midpoint(long.0);
        let middle = (middle, self.rates(middle)?);
        self.steps(short, middle, found)?;
        self.steps(middle, long, found)
    }

    /// Returns the rates for a prompt of `input` tokens.
    fn rates(&self, input: u64) -> Option<Rates> {
        #[expect(clippy::cast_precision_loss, reason = "at most 2²⁵")]
        let tokens = input as f64;
        let cost =
            |key, count| self.cost(&Usage::from([(UsageKey::INPUT_TOKENS, tokens), (key, count)]), tokens);
        let (input, output) = cost(UsageKey::OUTPUT_TOKENS, 1.0)?;
        Some(Rates {
            input,
            cached_input: cost(UsageKey::CACHE_READ_TOKENS, tokens)?.0,
            cache_write: cost(UsageKey::CACHE_WRITE_TOKENS, tokens)?.0,
            output,
        })
    }

    /// Returns nano-dollars per million tokens, of a prompt of `tokens` tokens and of one generated token.
    fn cost(&self, usage: &Usage, tokens: f64) -> Option<(u64, u64)> {
        let request =
            PriceRequest::new(self.model, usage).with_provider_id(self.kind).with_timestamp(self.at);
        let price = Calculator::bundled().calculate(&request).ok()?;
        // 10⁹ nano-dollars times 10⁶ tokens. Listed prices have few decimals, so rounding restores the exact rate.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "prices are positive and far below 2⁵³ nano-dollars"
        )]
        let rate = |usd: f64| (usd * 1e15).round() as u64;
        Some((rate(price.input_price / tokens), rate(price.output_price)))
    }
}
