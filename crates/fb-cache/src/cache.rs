//! The cache.

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
    ledger::{Ledger, Total},
    purge::Purge,
    stats::{Counters, Stats},
    windows::Phase,
};

/// Values by [`Key`], each fresh for a while and then good enough for when there is nothing better.
///
/// It is bounded in bytes, in all and for each tenant. A clone is another handle to the same entries. Time is an
/// argument; times of all calls must be of one clock.
pub struct Cache<V> {
    shared: Arc<Shared<V>>,
}

struct Shared<V> {
    config: CacheConfig,
    /// Bounds the size. Its clock has no part in what is fresh: it could not be paused in tests.
    entries: Entries<Key, Arc<Entry<V>>, KeyHasher>,
    ledger: Arc<Ledger>,
    counters: Arc<Counters>,
}

/// Why an item was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotStored {
    /// It has more bytes than an entry may have.
    #[error("{bytes} bytes are more than the {limit} of an entry")]
    TooLarge {
        /// Its bytes.
        bytes: u64,
        /// The bytes that an entry may have.
        limit: u64,
    },
    /// It alone is more than its tenant's share, or others of its tenant took the room that was made for it.
    #[error("with {bytes} bytes the tenant would hold more than its {limit}")]
    OverQuota {
        /// What the tenant would hold, 256 for each entry included.
        bytes: u64,
        /// What it may hold.
        limit: u64,
    },
    /// Both its windows are zero.
    #[error("both windows are zero")]
    NoWindow,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// An empty cache.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names the setting that is out of its range.
    pub fn new(config: CacheConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let ledger = Arc::new(Ledger::new(config.tenant_bytes()));
        let counters = Arc::<Counters>::default();
        let entries = Entries::builder()
            .max_capacity(config.max_bytes)
            .weigher(|_, entry: &Arc<Entry<V>>| u32::try_from(entry.charge.bytes).unwrap_or(u32::MAX))
            .eviction_listener({
                let (ledger, counters) = (Arc::clone(&ledger), Arc::clone(&counters));
                move |_, entry: Arc<Entry<V>>, cause| {
                    ledger.release(&entry.item.tags.tenant, entry.charge);
                    counters.evicted.add(u64::from(cause.was_evicted()));
                }
            })
            .build_with_hasher(KeyHasher::default());
        let shared = Shared { config, entries, ledger, counters };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The entry, if it is fresh. Copies nothing; allocates a page of 2 KB once in about a hundred calls, in which moka
    /// notes them.
    pub fn get(&self, key: &Key, now: Instant) -> Option<Hit<V>> {
        self.count(self.find(key, now).filter(|hit| !hit.is_stale()))
    }

    /// The entry, fresh or stale: for when nobody could give a new one. Costs as much as [`get`](Self::get).
    pub fn get_stale(&self, key: &Key, now: Instant) -> Option<Hit<V>> {
        self.count(self.find(key, now))
    }

    /// Stores the item in place of what the key held, with `now` as the time its windows begin.
    ///
    /// When the cache is full, entries that are seldom asked for make room; the new one may be among them. When its
    /// tenant is at its limit, the tenant's oldest entries do.
    ///
    /// # Errors
    ///
    /// [`NotStored`] says why not.
    pub fn insert(&self, key: Key, item: Item<V>, now: Instant) -> Result<(), NotStored> {
        let result = self.store(key, item, now);
        let Counters { stored, too_large, over_quota, .. } = &*self.shared.counters;
        match result {
            Ok(()) => stored.add(1),
            Err(NotStored::TooLarge { .. }) => too_large.add(1),
            Err(NotStored::OverQuota { .. }) => over_quota.add(1),
            Err(NotStored::NoWindow) => {}
        }
        result
    }

    /// Throws out what the conditions cover, and says how many that were. Entries stored before the call are seen;
    /// of those stored during it some may be. Looks at every entry.
    pub fn purge(&self, purge: &Purge, now: Instant) -> u64 {
        let purged = self.remove(|entry| purge.covers(entry, now));
        self.shared.counters.purged.add(purged);
        purged
    }

    /// Throws out what no window covers any more, and says how many entries that were. They cannot be found in any
    /// case; this frees their memory. Looks at every entry.
    pub fn sweep(&self, now: Instant) -> u64 {
        let expired = self.remove(|entry| entry.phase(now) == Phase::Expired);
        self.shared.counters.expired.add(expired);
        expired
    }

    /// What it has done and what it holds.
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats(self.shared.ledger.total())
    }

    /// Bytes that one entry may have: the limit of a [`Recording`](crate::Recording) that is to be stored here.
    pub fn max_entry_bytes(&self) -> u64 {
        self.shared.config.max_entry_bytes
    }

    fn find(&self, key: &Key, now: Instant) -> Option<Hit<V>> {
        match Hit::new(self.shared.entries.get(key)?, now) {
            Ok(hit) => Some(hit),
            Err(expired) => {
                let removed = self.remove_entry(*key, expired.charge.number);
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

    fn store(&self, key: Key, item: Item<V>, now: Instant) -> Result<(), NotStored> {
        if item.windows.is_none() {
            return Err(NotStored::NoWindow);
        }
        let limit = self.max_entry_bytes();
        if item.bytes > limit {
            return Err(NotStored::TooLarge { bytes: item.bytes, limit });
        }
        let entry = Arc::new(Entry::new(self.shared.ledger.number(), key, item, now));
        let mut put = self.put(key, &entry);
        while put.is_err() && self.make_room(&entry) {
            put = self.put(key, &entry);
        }
        // Left alone, hundreds of insertions are held beyond the limit before any entry is evicted.
        if put?.bytes > self.shared.config.max_bytes {
            self.shared.entries.run_pending_tasks();
        }
        Ok(())
    }

    fn put(&self, key: Key, entry: &Arc<Entry<V>>) -> Result<Total, NotStored> {
        let Shared { entries, ledger, .. } = &*self.shared;
        let tenant = &entry.item.tags.tenant;
        let mut total = Total::default();
        entries.entry(key).and_try_compute_with(|old| {
            let old = old.as_ref().map(moka::Entry::value).filter(|old| old.item.tags.tenant == *tenant);
            let replaced = old.map_or(0, |old| old.charge.bytes);
            total = ledger
                .charge(tenant, entry.charge, replaced)
                .map_err(|bytes| NotStored::OverQuota { bytes, limit: ledger.limit() })?;
            Ok::<_, NotStored>(Op::Put(Arc::clone(entry)))
        })?;
        Ok(total)
    }

    /// Removes the tenant's oldest entry, if the entry can have its place.
    fn make_room(&self, entry: &Entry<V>) -> bool {
        let Shared { ledger, counters, .. } = &*self.shared;
        if entry.charge.bytes > ledger.limit() {
            return false;
        }
        let Some((number, key)) = ledger.oldest(&entry.item.tags.tenant) else { return false };
        let removed = self.remove_entry(key, number);
        counters.evicted.add(u64::from(removed));
        removed
    }

    fn remove(&self, covers: impl Fn(&Entry<V>) -> bool) -> u64 {
        let covered = self.shared.entries.iter().filter(|(_, entry)| covers(entry));
        let removed =
            covered.filter(|(key, entry)| self.remove_entry(**key, entry.charge.number)).count() as u64;
        // What was pushed out but is still held goes too.
        self.shared.entries.run_pending_tasks();
        removed
    }

    /// Removes the entry of this number and no other that has taken its place meanwhile.
    fn remove_entry(&self, key: Key, number: u64) -> bool {
        let removal = self.shared.entries.entry(key).and_compute_with(|current| match current {
            Some(current) if current.value().charge.number == number => Op::Remove,
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
        let Shared { config, ledger, counters, .. } = &*self.shared;
        let stats = counters.stats(ledger.total());
        f.debug_struct("Cache").field("config", config).field("stats", &stats).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
