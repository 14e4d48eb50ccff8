//! The bytes that each tenant's entries take, and the order in which they were stored.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use crate::key::Key;

/// The usage of all tenants, each bounded by the same quota.
#[derive(Debug)]
pub(crate) struct TenantUsage {
    /// The maximum number of bytes per tenant.
    quota: u64,
    next_sequence: AtomicU64,
    usages: Mutex<Usages>,
}

#[derive(Debug, Default)]
struct Usages {
    /// Only tenants with at least one entry.
    tenants: HashMap<Arc<str>, Usage>,
    total: Total,
}

#[derive(Debug, Default)]
struct Usage {
    bytes: u64,
    /// By sequence number, so that the oldest entry is the first.
    keys: BTreeMap<u64, Key>,
}

/// The charge of one entry to its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charge {
    /// Unique per entry and increasing over time.
    pub(crate) sequence: u64,
    pub(crate) key: Key,
    pub(crate) bytes: u64,
}

/// The usage of all tenants together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl TenantUsage {
    pub(crate) fn new(quota: u64) -> Self {
        Self { quota, next_sequence: AtomicU64::new(0), usages: Mutex::default() }
    }

    /// Returns the maximum number of bytes per tenant.
    pub(crate) fn quota(&self) -> u64 {
        self.quota
    }

    /// Returns the sequence number for a new entry.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Relaxed)
    }

    /// Charges an entry to its tenant. `replaced` bytes belong to the entry that it replaces, which is released
    /// afterwards, and do not count against the quota.
    ///
    /// # Errors
    /// Returns the bytes that the tenant would use if they exceed the quota.
    pub(crate) fn charge(&self, tenant: &Arc<str>, charge: Charge, replaced: u64) -> Result<Total, u64> {
        let mut usages = self.usages.lock();
        let used = usages.tenants.get(tenant).map_or(0, |usage| usage.bytes);
        let bytes = (used + charge.bytes).saturating_sub(replaced);
        if bytes > self.quota {
            return Err(bytes);
        }
        let usage = usages.tenants.entry(Arc::clone(tenant)).or_default();
        usage.bytes += charge.bytes;
        usage.keys.insert(charge.sequence, charge.key);
        usages.total.entries += 1;
        usages.total.bytes += charge.bytes;
        Ok(usages.total)
    }

    /// Releases the charge of an entry; a charge that is not booked is ignored.
    pub(crate) fn release(&self, tenant: &str, charge: Charge) {
        let mut usages = self.usages.lock();
        let Some(usage) = usages.tenants.get_mut(tenant) else { return };
        if usage.keys.remove(&charge.sequence).is_none() {
            return;
        }
        usage.bytes -= charge.bytes;
        if usage.keys.is_empty() {
            usages.tenants.remove(tenant);
        }
        usages.total.entries -= 1;
        usages.total.bytes -= charge.bytes;
    }

    /// Returns the sequence number and key of the tenant's oldest entry.
    pub(crate) fn oldest(&self, tenant: &str) -> Option<(u64, Key)> {
        let usages = self.usages.lock();
        let (sequence, key) = usages.tenants.get(tenant)?.keys.first_key_value()?;
        Some((*sequence, *key))
    }

    pub(crate) fn total(&self) -> Total {
        self.usages.lock().total
    }

    #[cfg(test)]
    pub(crate) fn bytes_by_tenant(&self) -> BTreeMap<String, u64> {
        let usages = self.usages.lock();
        usages.tenants.iter().map(|(tenant, usage)| (tenant.to_string(), usage.bytes)).collect()
    }
}
