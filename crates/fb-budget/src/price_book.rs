//! What a model costs: from the config, else from the built-in list.

#[cfg(feature = "prices")]
mod builtin;

use std::{collections::BTreeMap, fmt, time::SystemTime};

use fb_core::{InvalidConfig, TargetId};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value},
};

use crate::{
    config::money,
    price::{Rates, TokenPrices},
};

/// No model costs as much.
const MOST_USD: f64 = 1e6;

/// The price of one target, and the days on which it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// USD per million prompt tokens, 0 to 10⁶; required.
    pub input: f64,
    /// USD per million generated tokens, 0 to 10⁶; required.
    pub output: f64,
    /// USD per million prompt tokens read from the provider's cache; as `input`.
    pub cached_input: Option<f64>,
    /// USD per million prompt tokens written to the provider's cache; as `input`.
    pub cache_write: Option<f64>,
    /// The first day it holds, in UTC, as "2026-01-31"; always.
    pub from: Option<Date>,
    /// The first day it holds no more, in UTC; never.
    pub until: Option<Date>,
}

/// The prices of one target: one section, or a list of sections with days. Where several hold, the last one does.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct PriceConfigs(pub Vec<PriceConfig>);

impl<'de> Deserialize<'de> for PriceConfigs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany)
    }
}

/// Not an untagged enum: that would forget which field was wrong.
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

/// What each target costs and when.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    own: BTreeMap<String, Vec<Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    from: Option<Date>,
    until: Option<Date>,
    prices: TokenPrices,
}

impl PriceBook {
    /// A book in which these prices, by `PROVIDER/MODEL`, go before the built-in ones.
    ///
    /// # Errors
    /// Names the first price that is none, and the first name that is no `PROVIDER/MODEL`.
    pub fn new(config: &BTreeMap<String, PriceConfigs>) -> Result<Self, InvalidConfig> {
        let mut own = BTreeMap::new();
        for (name, prices) in config {
            if name.parse::<TargetId>().is_err() {
                return Err(InvalidConfig::expecting("prices", format!("{name:?}"), "PROVIDER/MODEL"));
            }
            let entries = prices.0.iter().map(|price| entry(name, price)).collect::<Result<_, _>>()?;
            own.insert(name.clone(), entries);
        }
        Ok(Self { own })
    }

    /// What `target` costs at `at`; `None` when neither the config nor the built-in list knows.
    ///
    /// `kind` is the name its upstream has in the built-in list, such as `openai`, `anthropic`, `azure`, `google`,
    /// `aws`. A model that the list prices by anything but tokens, or at nothing, is unknown to it. The first call
    /// that reaches the list reads it, in some 30 ms; later ones take some 10 µs, 0.1 ms for a model with steps: to be
    /// asked once per configured target, not per request, and again when a day with a price change has begun.
    pub fn prices(&self, target: &TargetId, kind: &str, at: SystemTime) -> Option<TokenPrices> {
        let day = Timestamp::try_from(at).ok()?.to_zoned(TimeZone::UTC).date();
        let holds = |entry: &&Entry| {
            entry.from.is_none_or(|from| from <= day) && entry.until.is_none_or(|until| day < until)
        };
        let own = self.own.get(&target.to_string()).and_then(|entries| entries.iter().rev().find(holds));
        own.map(|entry| entry.prices.clone()).or_else(|| listed(kind, target.model(), at))
    }
}

#[cfg(feature = "prices")]
fn listed(kind: &str, model: &str, at: SystemTime) -> Option<TokenPrices> {
    builtin::prices(kind, model, at)
}

#[cfg(not(feature = "prices"))]
const fn listed(_kind: &str, _model: &str, _at: SystemTime) -> Option<TokenPrices> {
    None
}

fn entry(name: &str, price: &PriceConfig) -> Result<Entry, InvalidConfig> {
    let invalid = |field: &str, value: String, range: &str| {
        InvalidConfig::expecting(format!("prices.\"{name}\".{field}"), value, range)
    };
    let nanos = |field, usd: f64| {
        if !(0.0..=MOST_USD).contains(&usd) {
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
    Ok(Entry { from: price.from, until: price.until, prices: TokenPrices::flat(rates) })
}

#[cfg(test)]
mod tests;
