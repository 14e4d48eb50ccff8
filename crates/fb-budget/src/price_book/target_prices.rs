//! The prices of one target, which the built-in list yields when they are first needed.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use fb_core::{Money, Usage};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::price::TokenPrices;

/// The prices of one target. Clones share them.
///
/// Prices of the built-in list are looked up once, by the first call of [`get`](Self::get): a process that computes no
/// cost does not read the list.
#[derive(Debug, Clone)]
pub struct TargetPrices(Arc<Source>);

#[derive(Debug)]
enum Source {
    Known(TokenPrices),
    Listed { kind: Box<str>, model: Box<str>, at: SystemTime, found: OnceLock<Option<TokenPrices>> },
}

impl TargetPrices {
    pub(super) fn listed(kind: &str, model: &str, at: SystemTime) -> Self {
        Self(Arc::new(Source::Listed { kind: kind.into(), model: model.into(), at, found: OnceLock::new() }))
    }

    /// Returns the prices, or `None` for a model without any.
    pub fn get(&self) -> Option<&TokenPrices> {
        match &*self.0 {
            Source::Known(prices) => Some(prices),
            Source::Listed { kind, model, at, found } => {
                found.get_or_init(|| listed_prices(kind, model, *at)).as_ref()
            }
        }
    }

    /// Returns the cost of a call; `None` without a price.
    pub fn cost(&self, usage: Usage) -> Option<Money> {
        self.get().map(|prices| prices.cost(usage))
    }
}

impl From<TokenPrices> for TargetPrices {
    fn from(prices: TokenPrices) -> Self {
        Self(Arc::new(Source::Known(prices)))
    }
}

/// Prices of the list are equal if they are of the same model and day; only otherwise are they looked up.
impl PartialEq for TargetPrices {
    fn eq(&self, other: &Self) -> bool {
        if let (
            Source::Listed { kind, model, at, .. },
            Source::Listed { kind: other_kind, model: other_model, at: other_at, .. },
        ) = (&*self.0, &*other.0)
            && (kind, model, utc_day(*at)) == (other_kind, other_model, utc_day(*other_at))
        {
            return true;
        }
        self.get() == other.get()
    }
}

pub(super) fn utc_day(at: SystemTime) -> Option<Date> {
    Some(Timestamp::try_from(at).ok()?.to_zoned(TimeZone::UTC).date())
}

#[cfg(feature = "prices")]
fn listed_prices(kind: &str, model: &str, at: SystemTime) -> Option<TokenPrices> {
    crate::price_book::builtin::prices(kind, model, at)
}

#[cfg(not(feature = "prices"))]
const fn listed_prices(_kind: &str, _model: &str, _at: SystemTime) -> Option<TokenPrices> {
    None
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::price::Rates;

    fn is_looked_up(prices: &TargetPrices) -> bool {
        matches!(&*prices.0, Source::Listed { found, .. } if found.get().is_some())
    }

    #[test]
    fn list_is_read_when_a_price_is_first_needed() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_793_534_400);
        let listed = |at| TargetPrices::listed("openai", "gpt-4o", at);
        let (prices, later) = (listed(noon), listed(noon + Duration::from_secs(3_600)));
        assert_eq!(prices, later);
        assert!(!is_looked_up(&prices) && !is_looked_up(&later));
        let known = TargetPrices::from(TokenPrices::flat(Rates::default()));
        assert_ne!(known, prices);
        assert_eq!(prices.get().is_some(), cfg!(feature = "prices"));
        assert!(is_looked_up(&prices) && !is_looked_up(&later));
        assert_eq!(prices, listed(noon + Duration::from_secs(86_400)));
        assert_ne!(prices, TargetPrices::listed("openai", "gpt-4o-mini", noon));
    }
}
