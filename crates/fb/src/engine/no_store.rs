//! The cache in a build without the feature `cache`, in which routes that cache are refused: it keeps nothing.
#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the signatures are those of the cache that keeps something"
)]

use std::{convert::Infallible, marker::PhantomData, time::Instant};

use fb_cache::{CacheConfig, Hit, InvalidConfig, Item, Key, Purge, Stats};

/// A cache without entries.
#[derive(Debug)]
pub(crate) struct Cache<V>(PhantomData<fn() -> V>);

impl<V> Cache<V> {
    pub(crate) fn new(config: CacheConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self(PhantomData))
    }

    pub(crate) const fn get(&self, _key: &Key, _now: Instant) -> Option<Hit<V>> {
        None
    }

    pub(crate) const fn get_stale(&self, _key: &Key, _now: Instant) -> Option<Hit<V>> {
        None
    }

    pub(crate) fn insert(&self, _key: Key, item: Item<V>, _now: Instant) -> Result<(), Infallible> {
        drop(item);
        Ok(())
    }

    pub(crate) const fn purge(&self, _purge: &Purge, _now: Instant) -> u64 {
        0
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats::default()
    }

    pub(crate) const fn max_entry_bytes(&self) -> u64 {
        0
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}
