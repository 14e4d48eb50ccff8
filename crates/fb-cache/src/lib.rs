#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(feature = "store"),
    allow(dead_code, reason = "entries and their accounting serve the store")
)]

mod with;

mod key;

mod config;
mod windows;

mod entry;
mod stats;
mod tenant_usage;

#[cfg(feature = "store")]
mod cache;
mod purge;

mod recording;

#[cfg(feature = "tokio")]
mod flights;
#[cfg(all(feature = "store", feature = "tokio"))]
mod read_through;

#[cfg(feature = "store")]
pub use self::cache::{Cache, InsertError};
pub use self::config::{CacheConfig, InvalidConfig};
pub use self::entry::{Hit, Item, Tags};
#[cfg(feature = "tokio")]
pub use self::flights::{FlightError, FlightStats, Flights, FlightsConfig, Role, WhenAbandoned};
pub use self::key::{InvalidJson, Key, KeyBuilder};
pub use self::purge::Purge;
#[cfg(all(feature = "store", feature = "tokio"))]
pub use self::read_through::{LoadError, Loaded, ReadThrough};
pub use self::recording::Recording;
pub use self::stats::Stats;
pub use self::windows::Windows;
