//! Statistics of a cache.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::tenant_usage::Total;

/// The event counts of a cache since its creation, and its current size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Lookups that found a fresh entry.
    pub hits: u64,
    /// Lookups by [`get_stale`](crate::Cache::get_stale) that found a stale entry.
    pub stale_hits: u64,
    /// Lookups that found no entry, or none that was fresh enough.
    pub misses: u64,
    /// Entries stored.
    pub stored: u64,
    /// Items not stored because of their size.
    pub too_large: u64,
    /// Items not stored because of their tenant's quota.
    pub over_quota: u64,
    /// Entries removed to make room.
    pub evicted: u64,
    /// Entries removed because all their windows had passed.
    pub expired: u64,
    /// Entries removed by [`purge`](crate::Cache::purge).
    pub purged: u64,
    /// The current number of entries.
    pub entries: u64,
    /// The current size of all entries in bytes, including overhead.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) stale_hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) stored: Counter,
    pub(crate) too_large: Counter,
    pub(crate) over_quota: Counter,
    pub(crate) evicted: Counter,
    pub(crate) expired: Counter,
    pub(crate) purged: Counter,
}

impl Counters {
    pub(crate) fn stats(&self, total: Total) -> Stats {
        Stats {
            hits: self.hits.get(),
            stale_hits: self.stale_hits.get(),
            misses: self.misses.get(),
            stored: self.stored.get(),
            too_large: self.too_large.get(),
            over_quota: self.over_quota.get(),
            evicted: self.evicted.get(),
            expired: self.expired.get(),
            purged: self.purged.get(),
            entries: total.entries,
            bytes: total.bytes,
        }
    }
}

/// A relaxed event counter, for statistics only.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, events: u64) {
        self.0.fetch_add(events, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
