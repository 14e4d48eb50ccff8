#![doc = include_str!("../README.md")]

mod config;
mod held;

mod price;
mod price_book;

mod amount;
mod moment;

mod calendar;
mod minute;
#[cfg(feature = "rates")]
mod request_limiter;
#[cfg(not(feature = "rates"))]
#[path = "no_limiter.rs"]
mod request_limiter;

mod allowance;
mod limit;

mod account;
mod reservation;
mod standing;
mod stats;

mod book;

mod ledger;

#[cfg(test)]
mod scenario;

pub use fb_core::InvalidConfig;

pub use self::account::Account;
pub use self::account::{LedgerStalled, PendingCommit};
pub use self::allowance::{Allowance, Allowances};
pub use self::amount::Amount;
pub use self::book::Book;
pub use self::config::{KeyLimits, Limits, Tier};
pub use self::ledger::{LedgerConfig, LedgerError, LedgerErrorKind, OnStall, OpenError};
pub use self::limit::{Limit, LimitExceeded};
pub use self::moment::Moment;
pub use self::price::{Rates, TokenPrices};
pub use self::price_book::{PriceBook, PriceConfig, PriceConfigs, TargetPrices};
pub use self::reservation::Reservation;
pub use self::standing::{Standing, Warning};
pub use self::stats::{AccountStats, Tally};
