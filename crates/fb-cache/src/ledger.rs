//! How many bytes each tenant holds, and in which order they came.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use crate::key::Key;

#[derive(Debug)]
pub(crate) struct Ledger {
    /// Bytes that one tenant may hold.
    limit: u64,
    numbers: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// None that holds nothing.
    tenants: HashMap<Arc<str>, Held>,
    total: Total,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    /// By their numbers, so the oldest is the first.
    keys: BTreeMap<u64, Key>,
}

/// What one entry is booked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charge {
    /// No other entry has it; later ones have larger ones.
    pub(crate) number: u64,
    pub(crate) key: Key,
    pub(crate) bytes: u64,
}

/// What all tenants hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Ledger {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, numbers: AtomicU64::new(0), books: Mutex::default() }
    }

    /// Bytes that one tenant may hold.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// The number of a new entry.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// Books an entry, unless the tenant would then hold more than it may, `replaced` bytes not counted: those of the
    /// entry that this one takes the place of, to be released afterwards. Else says what it would hold.
    pub(crate) fn charge(&self, tenant: &Arc<str>, charge: Charge, replaced: u64) -> Result<Total, u64> {
        let mut books = self.books.lock();
        let held = books.tenants.get(tenant).map_or(0, |held| held.bytes);
        let bytes = (held + charge.bytes).saturating_sub(replaced);
        if bytes > self.limit {
            return Err(bytes);
        }
        let held = books.tenants.entry(Arc::clone(tenant)).or_default();
        held.bytes += charge.bytes;
        held.keys.insert(charge.number, charge.key);
        books.total.entries += 1;
        books.total.bytes += charge.bytes;
        Ok(books.total)
    }

    /// Removes an entry that was booked.
    pub(crate) fn release(&self, tenant: &str, charge: Charge) {
        let mut books = self.books.lock();
        let Some(held) = books.tenants.get_mut(tenant) else { return };
        if held.keys.remove(&charge.number).is_none() {
            return;
        }
        held.bytes -= charge.bytes;
        if held.keys.is_empty() {
            books.tenants.remove(tenant);
        }
        books.total.entries -= 1;
        books.total.bytes -= charge.bytes;
    }

    /// Number and key of the tenant's oldest entry.
    pub(crate) fn oldest(&self, tenant: &str) -> Option<(u64, Key)> {
        let books = self.books.lock();
        let (number, key) = books.tenants.get(tenant)?.keys.first_key_value()?;
        Some((*number, *key))
    }

    pub(crate) fn total(&self) -> Total {
        self.books.lock().total
    }

    #[cfg(test)]
    pub(crate) fn tenants(&self) -> BTreeMap<String, u64> {
        self.books.lock().tenants.iter().map(|(tenant, held)| (tenant.to_string(), held.bytes)).collect()
    }
}
