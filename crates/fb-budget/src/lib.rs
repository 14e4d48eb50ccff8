#![doc = include_str!("../README.md")]

mod config;

mod price;
mod price_book;

pub use self::config::{InvalidConfig, Limits, Tier};
pub use self::price::{Rates, TokenPrices};
pub use self::price_book::{PriceBook, PriceConfig, PriceConfigs};
