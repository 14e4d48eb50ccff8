//! How much a cache may hold.

use serde::{Deserialize, Serialize};
use thiserror::Error;

const MIB: u64 = 1 << 20;
/// Some ten thousand answers of usual length beside the process itself.
const MAX_BYTES: u64 = 256 * MIB;
/// Longer than the longest answer a model gives in text.
const MAX_ENTRY_BYTES: u64 = MIB;
/// One busy tenant leaves as much for all the others.
const TENANT_SHARE: f64 = 0.5;
/// The largest entry that can be weighed.
const MOST_ENTRY_BYTES: u64 = 1 << 31;

/// How much a cache may hold.
///
/// Checked by [`Cache::new`](crate::Cache::new).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Bytes of all entries; 256 MiB. An entry counts as its own bytes and 256 more.
    pub max_bytes: u64,
    /// Bytes of one entry, at most `max_bytes` and 2 GiB; 1 MiB.
    pub max_entry_bytes: u64,
    /// Share of `max_bytes` that one tenant's entries may take, above 0 and at most 1; 0.5.
    pub tenant_share: f64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { max_bytes: MAX_BYTES, max_entry_bytes: MAX_ENTRY_BYTES, tenant_share: TENANT_SHARE }
    }
}

impl CacheConfig {
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if self.max_bytes == 0 {
            return Err(InvalidConfig { field: "max_bytes", value: "0".into(), expected: "at least 1" });
        }
        if !(1..=self.max_bytes.min(MOST_ENTRY_BYTES)).contains(&self.max_entry_bytes) {
            return Err(InvalidConfig {
                field: "max_entry_bytes",
                value: self.max_entry_bytes.to_string(),
                expected: "at least 1, at most `max_bytes` and 2 GiB",
            });
        }
        if !(self.tenant_share > 0.0 && self.tenant_share <= 1.0) {
            return Err(InvalidConfig {
                field: "tenant_share",
                value: self.tenant_share.to_string(),
                expected: "above 0 and at most 1",
            });
        }
        Ok(())
    }

    /// Bytes that one tenant's entries may take.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a positive number; beyond 2^53 a few bytes do not matter"
    )]
    pub(crate) fn tenant_bytes(&self) -> u64 {
        (self.max_bytes as f64 * self.tenant_share) as u64
    }
}

/// A setting no cache could work with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid cache config: `{field}` is {value}, expected {expected}")]
pub struct InvalidConfig {
    /// The field.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests;
