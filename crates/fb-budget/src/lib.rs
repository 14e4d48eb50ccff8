#![doc = include_str!("../README.md")]

mod config;

mod price;
mod price_book;

mod moment;

mod calendar;
mod minute;
mod requests;

mod refused;

mod account;
mod reservation;
mod standing;
mod statistics;

mod book;

#[cfg(test)]
mod scenario;

pub use self::account::Account;
pub use self::book::Book;
pub use self::config::{InvalidConfig, Limits, Tier};
pub use self::moment::Moment;
pub use self::price::{Rates, TokenPrices};
pub use self::price_book::{PriceBook, PriceConfig, PriceConfigs};
pub use self::refused::{Limit, Refused};
pub use self::reservation::{Amount, Reservation};
pub use self::standing::Standing;
pub use self::statistics::{Statistics, Tally};
