//! What is stored, and what is found.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    key::Key,
    ledger::Charge,
    windows::{Phase, Windows},
};

/// What an entry takes besides its value: key, tags, and the books that are kept on it.
const OVERHEAD: u64 = 256;

/// Whose an entry is and where it came from; what it can be [purged](crate::Purge) by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// For whom it was made; whose quota it counts against.
    pub tenant: Arc<str>,
    /// What was asked.
    pub route: Arc<str>,
    /// Who answered.
    pub provider: Arc<str>,
}

/// What is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<V> {
    /// The value; an `Arc` if it is to be had without borrowing the [`Hit`].
    pub value: V,
    /// How many bytes of memory the value takes.
    pub bytes: u64,
    /// Whose it is and where it came from.
    pub tags: Tags,
    /// How long it may be used.
    pub windows: Windows,
}

#[derive(Debug)]
pub(crate) struct Entry<V> {
    pub(crate) item: Item<V>,
    /// What it counts as.
    pub(crate) charge: Charge,
    stored_at: Instant,
}

impl<V> Entry<V> {
    /// The entry of this number.
    pub(crate) fn new(number: u64, key: Key, item: Item<V>, now: Instant) -> Self {
        let bytes = item.bytes.saturating_add(OVERHEAD);
        Self { item, charge: Charge { number, key, bytes }, stored_at: now }
    }

    /// None while the clock stands before the time of storing.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stored_at)
    }

    pub(crate) fn phase(&self, now: Instant) -> Phase {
        self.item.windows.phase(self.age(now))
    }
}

/// What was found. It shares the entry's memory, and keeps it until dropped.
#[derive(Debug)]
pub struct Hit<V> {
    entry: Arc<Entry<V>>,
    age: Duration,
    is_stale: bool,
}

impl<V> Hit<V> {
    /// The entry itself if it has expired.
    pub(crate) fn new(entry: Arc<Entry<V>>, now: Instant) -> Result<Self, Arc<Entry<V>>> {
        let age = entry.age(now);
        match entry.item.windows.phase(age) {
            Phase::Fresh => Ok(Self { entry, age, is_stale: false }),
            Phase::Stale => Ok(Self { entry, age, is_stale: true }),
            Phase::Expired => Err(entry),
        }
    }

    /// The value.
    pub fn value(&self) -> &V {
        &self.entry.item.value
    }

    /// Whose it is and where it came from.
    pub fn tags(&self) -> &Tags {
        &self.entry.item.tags
    }

    /// How long ago it was stored; zero if the clock has stepped back before that.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Whether it is past its fresh window.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }
}

impl<V> Clone for Hit<V> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), age: self.age, is_stale: self.is_stale }
    }
}
