//! The list of genai-prices, which tells what a usage costs but not its rates: they are asked for.

use std::time::SystemTime;

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};

use crate::price::{Rates, TokenPrices};

/// Longer than any model's context.
const LONGEST: u64 = 1 << 25;

/// The rates of a model, and their steps by the length of the prompt. `None`: not in the list, or not priced by tokens.
pub(crate) fn prices(kind: &str, model: &str, at: SystemTime) -> Option<TokenPrices> {
    let model = Listed { kind, model, at };
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

struct Listed<'a> {
    kind: &'a str,
    model: &'a str,
    at: SystemTime,
}

impl Listed<'_> {
    /// Finds every length between the two after which the rates are others, the shortest first.
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

    /// The rates for a prompt of `input` tokens.
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

    /// Nano-dollars per million tokens: of the prompt, for all of whose `tokens` it asked, and of the one generated.
    fn cost(&self, usage: &Usage, tokens: f64) -> Option<(u64, u64)> {
        let request =
            PriceRequest::new(self.model, usage).with_provider_id(self.kind).with_timestamp(self.at);
        let price = Calculator::bundled().calculate(&request).ok()?;
        // 10⁹ nano-dollars, 10⁶ tokens. The list has a few decimals at most: the nearest integer is what it says.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "prices are positive and far below 2⁵³ nano-dollars"
        )]
        let rate = |usd: f64| (usd * 1e15).round() as u64;
        Some((rate(price.input_price / tokens), rate(price.output_price)))
    }
}
