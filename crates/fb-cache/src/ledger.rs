//! How many bytes each tenant holds.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

#[derive(Debug)]
pub(crate) struct Ledger {
    /// Bytes that one tenant may hold.
    limit: u64,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// No tenant with none.
    tenants: HashMap<Arc<str>, u64>,
    total: Total,
}

/// What all tenants hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Ledger {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, books: Mutex::default() }
    }

    /// Bytes that one tenant may hold.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Adds an entry, unless the tenant would then hold more than it may, `replaced` bytes not counted: those of the
    /// entry that this one takes the place of, to be released afterwards. Else says what it would hold.
    pub(crate) fn charge(&self, tenant: &Arc<str>, bytes: u64, replaced: u64) -> Result<Total, u64> {
        let mut books = self.books.lock();
        let held = books.tenants.get(tenant).copied().unwrap_or(0) + bytes;
        if held.saturating_sub(replaced) > self.limit {
            return Err(held.saturating_sub(replaced));
        }
        books.tenants.insert(Arc::clone(tenant), held);
        books.total.entries += 1;
        books.total.bytes += bytes;
        Ok(books.total)
    }

    /// Removes an entry that was added.
    pub(crate) fn release(&self, tenant: &str, bytes: u64) {
        let mut books = self.books.lock();
        let Some(held) = books.tenants.get_mut(tenant) else { return };
        *held -= bytes;
        if *held == 0 {
            books.tenants.remove(tenant);
        }
        books.total.entries -= 1;
        books.total.bytes -= bytes;
    }

    pub(crate) fn total(&self) -> Total {
        self.books.lock().total
    }

    #[cfg(test)]
    pub(crate) fn tenants(&self) -> std::collections::BTreeMap<String, u64> {
        self.books.lock().tenants.iter().map(|(tenant, bytes)| (tenant.to_string(), *bytes)).collect()
    }
}
