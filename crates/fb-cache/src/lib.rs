#![doc = include_str!("../README.md")]

mod key;

mod config;
mod windows;

mod entry;
mod stats;
mod tenant_usage;

mod cache;
mod purge;

mod recording;

#[cfg(feature = "tokio")]
mod flights;
#[cfg(feature = "tokio")]
mod read_through;

pub use self::cache::{Cache, InsertError};
pub use self::config::{CacheConfig, InvalidConfig};
pub use self::entry::{Hit, Item, Tags};
#[cfg(feature = "tokio")]
pub use self::flights::{FlightError, FlightStats, Flights, FlightsConfig, Role, WhenAbandoned};
pub use self::key::{InvalidJson, Key, KeyBuilder};
pub use self::purge::Purge;
#[cfg(feature = "tokio")]
pub use self::read_through::{LoadError, Loaded, ReadThrough};
pub use self::recording::Recording;
pub use self::stats::Stats;
pub use self::windows::Windows;
