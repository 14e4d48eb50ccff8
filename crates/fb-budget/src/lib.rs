#![doc = include_str!("../README.md")]

mod config;

mod price;
mod price_book;

mod moment;

mod calendar;
mod minute;
mod requests;

pub use self::config::{InvalidConfig, Limits, Tier};
pub use self::moment::Moment;
pub use self::price::{Rates, TokenPrices};
pub use self::price_book::{PriceBook, PriceConfig, PriceConfigs};
