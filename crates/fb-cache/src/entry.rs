//! Items to store, and hits of a lookup.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    key::Key,
    tenant_usage::Charge,
    windows::{Lifetime, Phase, Windows},
};

/// The memory of an entry besides its value: key, tags, and bookkeeping.
const OVERHEAD: u64 = 256;

/// The tenant and the origin of an entry, by which entries can be [purged](crate::Purge). By default all are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The tenant; the entry counts against its quota.
    pub tenant: Arc<str>,
    /// The route of the request.
    pub route: Arc<str>,
    /// The provider of the answer.
    pub provider: Arc<str>,
}

/// A value to store, with its size, tags and windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<V> {
    /// The value. Use an `Arc` to keep it without borrowing from the [`Hit`].
    pub value: V,
    /// The memory size of the value in bytes.
    pub bytes: u64,
    /// The tenant and the origin of the value.
    pub tags: Tags,
    /// The windows in which the value may be used.
    pub windows: Windows,
}

impl<V> Item<V> {
    /// Creates an item with empty tags and the default windows.
    pub fn new(value: V, bytes: u64) -> Self {
        Self { value, bytes, tags: Tags::default(), windows: Windows::default() }
    }
}

/// The lifetime comes first because a hit then reads a single cache line, that of the reference count.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Entry<V> {
    pub(crate) lifetime: Lifetime,
    pub(crate) item: Item<V>,
    /// The charge against the tenant's quota.
    pub(crate) charge: Charge,
}

impl<V> Entry<V> {
    /// Creates an entry with its sequence number.
    pub(crate) fn new(sequence: u64, key: Key, item: Item<V>, now: Instant) -> Self {
        let bytes = item.bytes.saturating_add(OVERHEAD);
        Self { lifetime: item.windows.begin(now), item, charge: Charge { sequence, key, bytes } }
    }
}

/// The result of a successful lookup. It shares the memory of the entry and keeps it alive until dropped.
#[derive(Debug)]
pub struct Hit<V> {
    entry: Arc<Entry<V>>,
    now: Instant,
    is_stale: bool,
}

impl<V> Hit<V> {
    /// Creates a hit, or returns the entry as an error if it has expired.
    pub(crate) fn new(entry: Arc<Entry<V>>, now: Instant) -> Result<Self, Arc<Entry<V>>> {
        match entry.lifetime.phase(now) {
            Phase::Fresh => Ok(Self { entry, now, is_stale: false }),
            Phase::Stale => Ok(Self { entry, now, is_stale: true }),
            Phase::Expired => Err(entry),
        }
    }

    /// Returns the value.
    pub fn value(&self) -> &V {
        &self.entry.item.value
    }

    /// Returns the tenant and the origin of the value.
    pub fn tags(&self) -> &Tags {
        &self.entry.item.tags
    }

    /// Returns the age of the value at the lookup; zero if the clock has stepped back before that.
    pub fn age(&self) -> Duration {
        self.entry.lifetime.age(self.now)
    }

    /// Returns whether the value is past its fresh window.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }
}

impl<V> Clone for Hit<V> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), now: self.now, is_stale: self.is_stale }
    }
}
