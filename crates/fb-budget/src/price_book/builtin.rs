//! The list of genai-prices. It computes the cost of a usage but does not expose rates, so rates are derived from
//! costs.
//!
//! The whole list takes tens of milliseconds to parse and 30 MB to keep. Only the provider in question is parsed, and
//! dropped after the lookup. `cargo xtask prices` writes the list.

use std::time::SystemTime;

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};

use crate::price::{Rates, TokenPrices};

/// A line with all providers, without their models; then a line for each provider: its ID and those of the providers that
/// its other models come from, separated by commas, a space, and the provider.
const LIST: &str = include_str!("list.txt");

/// Longer than any model's context.
const LONGEST: u64 = 1 << 25;

/// Returns the prices of a model with their steps, or `None` if the model is not in the list or not priced by tokens.
pub(crate) fn prices(kind: &str, model: &str, at: SystemTime) -> Option<TokenPrices> {
    let calculator = calculator(kind)?;
    let model = ListedModel { calculator: &calculator, kind, model, at };
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

/// Returns the part of the list in which the models of a provider are found.
fn calculator(kind: &str) -> Option<Calculator> {
    let (heads, lines) = LIST.split_once('\n')?;
    let lines = lines.lines().filter_map(|line| line.split_once(' '));
    let own_id = |ids: &'static str| ids.split(',').next();
    let line = |id: &str| lines.clone().find(|(ids, _)| own_id(ids) == Some(id));
    let found = line(kind).or_else(|| {
        let heads = Calculator::from_json(heads).ok()?;
        line(heads.find_provider(Some(kind), None).ok()??.id())
    });
    let (ids, _) = found?;
    let providers: Vec<&str> = ids.split(',').filter_map(line).map(|(_, provider)| provider).collect();
    Calculator::from_json(format!("[{}]", providers.join(","))).ok()
}

struct ListedModel<'a> {
    calculator: &'a Calculator,
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
        let price = self.calculator.calculate(&request).ok()?;
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Prices of the list equal those of the crate: after an update of genai-prices, run `cargo xtask prices`.
    #[test]
    fn list_is_that_of_the_locked_release() {
        let at = UNIX_EPOCH + Duration::from_secs(1_793_534_400);
        for provider in Calculator::bundled().providers() {
            let own = calculator(provider.id()).unwrap();
            for model in provider.models() {
                let rates = |calculator| {
                    let listed = ListedModel { calculator, kind: provider.id(), model: model.id(), at };
                    [1, 100_000, 250_000, 1_000_000].map(|length| listed.rates(length))
                };
                let (theirs, ours) = (rates(Calculator::bundled()), rates(&own));
                assert_eq!(ours, theirs, "{} {}", provider.id(), model.id());
            }
        }
    }

    #[test]
    fn provider_is_found_by_its_other_names_and_has_the_models_of_others() {
        let at = UNIX_EPOCH + Duration::from_secs(1_793_534_400);
        let prices = |kind, model| prices(kind, model, at);
        assert!(prices("openai", "gpt-4o").is_some());
        assert_eq!(prices("openai-compatible", "gpt-4o"), prices("openai", "gpt-4o"));
        assert_eq!(prices("vertex", "gemini-2.5-pro"), prices("google", "gemini-2.5-pro"));
        assert_eq!(prices("azure", "claude-opus-4-1"), prices("anthropic", "claude-opus-4-1"));
        assert!(prices("anthropic", "claude-opus-4-1").is_some());
        assert_eq!(prices("ollama", "gpt-4o"), None);
    }
}
