//! Prices per target: from the configuration, otherwise from the built-in list.

#[cfg(feature = "prices")]
mod builtin;
mod target_prices;

use std::{collections::BTreeMap, fmt, time::SystemTime};

use fb_core::{InvalidConfig, TargetId};
use jiff::civil::Date;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value},
};

pub use self::target_prices::TargetPrices;
use self::target_prices::utc_day;
use crate::{
    config::money,
    price::{Rates, TokenPrices},
};

/// The upper bound of a configured price.
const MAX_USD: f64 = 1e6;

/// The price of one target, and the days on which it is valid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PriceConfig {
    /// USD per million prompt tokens, 0 to 10⁶; required.
    pub input: f64,
    /// USD per million generated tokens, 0 to 10⁶; required.
    pub output: f64,
    /// USD per million prompt tokens read from the provider's cache; as `input`.
    pub cached_input: Option<f64>,
    /// USD per million prompt tokens written to the provider's cache; as `input`.
    pub cache_write: Option<f64>,
    /// The first day on which the price is valid, in UTC, as "2026-01-31"; always.
    pub from: Option<Date>,
    /// The first day on which the price is no longer valid, in UTC; never.
    pub until: Option<Date>,
}

/// The prices of one target: one section, or a list of sections with days. If several are valid, the last one applies.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct PriceConfigs(pub Vec<PriceConfig>);

impl<'de> Deserialize<'de> for PriceConfigs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

/// A visitor, because the errors of an untagged enum do not name the invalid field.
struct OneOrMany;

impl<'de> de::Visitor<'de> for OneOrMany {
    type Value = PriceConfigs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price or a list of prices")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<PriceConfigs, A::Error> {
        let price = PriceConfig::deserialize(value::MapAccessDeserializer::new(map))?;
        Ok(PriceConfigs(vec![price]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<PriceConfigs, A::Error> {
        Vec::deserialize(value::SeqAccessDeserializer::new(list)).map(PriceConfigs)
    }
}

/// The prices of all targets over time.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    configured: BTreeMap<String, Vec<DatedPrices>>,
}

#[derive(Debug, Clone)]
struct DatedPrices {
    from: Option<Date>,
    until: Option<Date>,
    prices: TokenPrices,
}

impl PriceBook {
    /// Creates a book in which the configured prices, by `PROVIDER/MODEL`, precede the built-in ones.
    ///
    /// # Errors
    /// Returns the first invalid price or target name.
    pub fn new(config: &BTreeMap<String, PriceConfigs>) -> Result<Self, InvalidConfig> {
        let mut configured = BTreeMap::new();
        for (name, prices) in config {
            if name.parse::<TargetId>().is_err() {
                return Err(InvalidConfig::expecting("prices", format!("{name:?}"), "PROVIDER/MODEL"));
            }
            let entries = prices.0.iter().map(|price| dated_prices(name, price)).collect::<Result<_, _>>()?;
            configured.insert(name.clone(), entries);
        }
        Ok(Self { configured })
    }

    /// Returns the prices of `target` at `at`, or `None` if neither the configuration nor the built-in list has any.
    ///
    /// `kind` is the name of the provider in the built-in list, such as `openai`, `anthropic`, `azure`, `google`,
    /// `aws`. Models that the list does not price by tokens, or lists as free, have no built-in price. A lookup
    /// parses the provider's part of the list, in a few milliseconds, and keeps nothing of it. Look prices up once per
    /// configured target, not per request, and again after midnight UTC, when prices may change.
    pub fn prices(&self, target: &TargetId, kind: &str, at: SystemTime) -> Option<TokenPrices> {
        self.target_prices(target, kind, at).get().cloned()
    }

    /// Returns the prices of `target` at `at` as [`prices`](Self::prices) does, but reads the built-in list only when
    /// [`TargetPrices::get`] first needs it.
    pub fn target_prices(&self, target: &TargetId, kind: &str, at: SystemTime) -> TargetPrices {
        match self.configured_prices(target, at) {
            Some(prices) => prices.clone().into(),
            None => TargetPrices::listed(kind, target.model(), at),
        }
    }

    fn configured_prices(&self, target: &TargetId, at: SystemTime) -> Option<&TokenPrices> {
        let day = utc_day(at)?;
        let is_valid = |entry: &&DatedPrices| {
            entry.from.is_none_or(|from| from <= day) && entry.until.is_none_or(|until| day < until)
        };
        let entries = self.configured.get(&target.to_string())?;
        entries.iter().rev().find(is_valid).map(|entry| &entry.prices)
    }
}

fn dated_prices(name: &str, price: &PriceConfig) -> Result<DatedPrices, InvalidConfig> {
    let invalid = |field: &str, value: String, expected| {
        InvalidConfig::expecting(format!("prices.\"{name}\".{field}"), value, expected)
    };
    let nanos = |field, usd: f64| {
        if !(0.0..=MAX_USD).contains(&usd) {
            return Err(invalid(field, usd.to_string(), "0 to 1000000"));
        }
        Ok(money(usd).nanos())
    };
    if let (Some(from), Some(until)) = (price.from, price.until)
        && until <= from
    {
        return Err(invalid("until", until.to_string(), "a day after `from`"));
    }
    let rates = Rates {
        input: nanos("input", price.input)?,
        cached_input: nanos("cached_input", price.cached_input.unwrap_or(price.input))?,
        cache_write: nanos("cache_write", price.cache_write.unwrap_or(price.input))?,
        output: nanos("output", price.output)?,
    };
    Ok(DatedPrices { from: price.from, until: price.until, prices: TokenPrices::flat(rates) })
}

#[cfg(test)]
mod tests;
