//! A bounded cache with fresh and stale windows.

use std::{fmt, sync::Arc, time::Instant};

use moka::{
    ops::compute::{CompResult, Op},
    sync::Cache as Entries,
};
use thiserror::Error;

use crate::{
    config::{CacheConfig, InvalidConfig},
    entry::{Entry, Hit, Item},
    key::{Key, KeyHasher},
    purge::Purge,
    stats::{Counters, Stats},
    tenant_usage::{TenantUsage, Total},
    windows::Phase,
};

/// A cache of values by [`Key`]. Each value is fresh for a while, and stale but usable for a while after that.
///
/// The cache is bounded in bytes, in total and per tenant. A clone is a handle to the same entries. The time is an
/// argument; all calls must use the same clock.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use fb_cache::{Cache, CacheConfig, Item, KeyBuilder, Tags, Windows};
///
/// let cache = Cache::new(CacheConfig::default())?;
/// let key = KeyBuilder::new("chat v1").part("tenant", "acme").part("question", "why?").finish();
/// let tags = Tags { tenant: "acme".into(), route: "default".into(), provider: "openai".into() };
/// let now = Instant::now();
/// cache.insert(key, Item { value: "because", bytes: 7, tags, windows: Windows::default() }, now)?;
///
/// assert_eq!(cache.get(&key, now).map(|hit| *hit.value()), Some("because"));
/// let later = now + Duration::from_secs(3_600);
/// assert!(cache.get(&key, later).is_none());
/// assert!(cache.get_stale(&key, later).is_some_and(|hit| hit.is_stale()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cache<V> {
    shared: Arc<Shared<V>>,
}

struct Shared<V> {
    config: CacheConfig,
    /// Bounds the size. Its clock is not used for freshness, because tests could not pause it.
    entries: Entries<Key, Arc<Entry<V>>, KeyHasher>,
    usage: Arc<TenantUsage>,
    counters: Arc<Counters>,
}

/// The reason why an item was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The item exceeds the maximum size of an entry.
    #[error("{bytes} bytes exceed the limit of {limit} bytes for an entry")]
    TooLarge {
        /// The size of the item in bytes.
        bytes: u64,
        /// The maximum size of an entry in bytes.
        limit: u64,
    },
    /// The item exceeds its tenant's quota, or concurrent insertions of the tenant took the room that was made for it.
    #[error("the tenant would use {bytes} bytes, more than its quota of {limit}")]
    OverQuota {
        /// The bytes that the tenant would use, including 256 per entry.
        bytes: u64,
        /// The quota of the tenant in bytes.
        limit: u64,
    },
    /// Both windows of the item are zero.
    #[error("both windows are zero")]
    ZeroWindows,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// Creates an empty cache.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range.
    pub fn new(config: CacheConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let usage = Arc::new(TenantUsage::new(config.tenant_quota()));
        let counters = Arc::<Counters>::default();
        let entries = Entries::builder()
            .max_capacity(config.max_bytes)
            .weigher(|_, entry: &Arc<Entry<V>>| u32::try_from(entry.charge.bytes).unwrap_or(u32::MAX))
            .eviction_listener({
                let (usage, counters) = (Arc::clone(&usage), Arc::clone(&counters));
                move |_, entry: Arc<Entry<V>>, cause| {
                    usage.release(&entry.item.tags.tenant, entry.charge);
                    counters.evicted.add(u64::from(cause.was_evicted()));
                }
            })
            .build_with_hasher(KeyHasher::default());
        let shared = Shared { config, entries, usage, counters };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns the entry if it is fresh.
    ///
    /// Copies nothing. Allocates about 2 KB once per hundred calls, for moka's read log.
    pub fn get(&self, key: &Key, now: Instant) -> Option<Hit<V>> {
        self.count(self.find(key, now).filter(|hit| !hit.is_stale()))
    }

    /// Returns the entry, fresh or stale, for use when no new value is available. Costs as much as [`get`](Self::get).
    pub fn get_stale(&self, key: &Key, now: Instant) -> Option<Hit<V>> {
        self.count(self.find(key, now))
    }

    /// Stores an item, replacing any entry of the key. The windows of the item begin at `now`.
    ///
    /// A full cache evicts rarely used entries, which may include the new one. A tenant at its quota loses its oldest
    /// entries.
    ///
    /// # Errors
    ///
    /// Returns the reason why the item was not stored; an earlier entry of the key is kept then.
    pub fn insert(&self, key: Key, item: Item<V>, now: Instant) -> Result<(), InsertError> {
        let result = self.store(key, item, now);
        let Counters { stored, too_large, over_quota, .. } = &*self.shared.counters;
        match result {
            Ok(()) => stored.add(1),
            Err(InsertError::TooLarge { .. }) => too_large.add(1),
            Err(InsertError::OverQuota { .. }) => over_quota.add(1),
            Err(InsertError::ZeroWindows) => {}
        }
        result
    }

    /// Removes the entries that match the conditions and returns their number.
    ///
    /// Covers all entries stored before the call, and possibly some stored during it. Visits every entry.
    pub fn purge(&self, purge: &Purge, now: Instant) -> u64 {
        let purged = self.remove(|entry| purge.matches(entry, now));
        self.shared.counters.purged.add(purged);
        purged
    }

    /// Removes expired entries and returns their number.
    ///
    /// Lookups never return expired entries; this frees their memory. Visits every entry.
    pub fn sweep(&self, now: Instant) -> u64 {
        let expired = self.remove(|entry| entry.lifetime.phase(now) == Phase::Expired);
        self.shared.counters.expired.add(expired);
        expired
    }

    /// Returns the statistics of the cache.
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats(self.shared.usage.total())
    }

    /// Returns the maximum size of an entry in bytes, which is also the limit for a [`Recording`](crate::Recording).
    pub fn max_entry_bytes(&self) -> u64 {
        self.shared.config.max_entry_bytes
    }

    fn find(&self, key: &Key, now: Instant) -> Option<Hit<V>> {
        match Hit::new(self.shared.entries.get(key)?, now) {
            Ok(hit) => Some(hit),
            Err(expired) => {
                let removed = self.remove_entry(*key, expired.charge.sequence);
                self.shared.counters.expired.add(u64::from(removed));
                None
            }
        }
    }

    fn count(&self, hit: Option<Hit<V>>) -> Option<Hit<V>> {
        let Counters { hits, stale_hits, misses, .. } = &*self.shared.counters;
        match &hit {
            Some(hit) if hit.is_stale() => stale_hits.add(1),
            Some(_) => hits.add(1),
            None => misses.add(1),
        }
        hit
    }

    fn store(&self, key: Key, item: Item<V>, now: Instant) -> Result<(), InsertError> {
        if item.windows.is_none() {
            return Err(InsertError::ZeroWindows);
        }
        let limit = self.max_entry_bytes();
        if item.bytes > limit {
            return Err(InsertError::TooLarge { bytes: item.bytes, limit });
        }
        let entry = Arc::new(Entry::new(self.shared.usage.next_sequence(), key, item, now));
        let mut result = self.put(key, &entry);
        while result.is_err() && self.make_room(&entry) {
            result = self.put(key, &entry);
        }
        // moka defers evictions, so hundreds of insertions could otherwise exceed the limit.
        if result?.bytes > self.shared.config.max_bytes {
            self.shared.entries.run_pending_tasks();
        }
        Ok(())
    }

    fn put(&self, key: Key, entry: &Arc<Entry<V>>) -> Result<Total, InsertError> {
        let Shared { entries, usage, .. } = &*self.shared;
        let tenant = &entry.item.tags.tenant;
        let mut total = Total::default();
        entries.entry(key).and_try_compute_with(|old| {
            let old = old.as_ref().map(moka::Entry::value).filter(|old| old.item.tags.tenant == *tenant);
            let replaced = old.map_or(0, |old| old.charge.bytes);
            total = usage
                .charge(tenant, entry.charge, replaced)
                .map_err(|bytes| InsertError::OverQuota { bytes, limit: usage.quota() })?;
            Ok::<_, InsertError>(Op::Put(Arc::clone(entry)))
        })?;
        Ok(total)
    }

    /// Removes the tenant's oldest entry; returns false if that cannot make room for the new one.
    fn make_room(&self, entry: &Entry<V>) -> bool {
        let Shared { usage, counters, .. } = &*self.shared;
        if entry.charge.bytes > usage.quota() {
            return false;
        }
        let Some((sequence, key)) = usage.oldest(&entry.item.tags.tenant) else { return false };
        let removed = self.remove_entry(key, sequence);
        counters.evicted.add(u64::from(removed));
        removed
    }

    fn remove(&self, matches: impl Fn(&Entry<V>) -> bool) -> u64 {
        let matching = self.shared.entries.iter().filter(|(_, entry)| matches(entry));
        let removed =
            matching.filter(|(key, entry)| self.remove_entry(**key, entry.charge.sequence)).count() as u64;
        // Runs the evictions that moka has deferred.
        self.shared.entries.run_pending_tasks();
        removed
    }

    /// Removes the entry with this sequence number, but not one that has replaced it meanwhile.
    fn remove_entry(&self, key: Key, sequence: u64) -> bool {
        let removal = self.shared.entries.entry(key).and_compute_with(|current| match current {
            Some(current) if current.value().charge.sequence == sequence => Op::Remove,
            _ => Op::Nop,
        });
        matches!(removal, CompResult::Removed(_))
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { config, usage, counters, .. } = &*self.shared;
        let stats = counters.stats(usage.total());
        f.debug_struct("Cache").field("config", config).field("stats", &stats).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
