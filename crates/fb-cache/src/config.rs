//! The configuration of a cache.

use serde::{Deserialize, Serialize};
use thiserror::Error;

const MIB: u64 = 1 << 20;
/// About ten thousand answers of usual length.
const MAX_BYTES: u64 = 256 * MIB;
/// Larger than the longest text answer of a model.
const MAX_ENTRY_BYTES: u64 = MIB;
/// Leaves as much room for all other tenants as for one busy tenant.
const TENANT_SHARE: f64 = 0.5;
/// Keeps the weight of an entry within the `u32` of moka's weigher.
const MAX_WEIGHT_BYTES: u64 = 1 << 31;

/// The size limits of a cache.
///
/// Validated by [`Cache::new`](crate::Cache::new).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheConfig {
    /// The maximum size of all entries in bytes. An entry counts as its own size plus 256 bytes. Defaults to 256 MiB.
    pub max_bytes: u64,
    /// The maximum size of one entry in bytes, at most `max_bytes` and 2 GiB. Defaults to 1 MiB.
    pub max_entry_bytes: u64,
    /// The share of `max_bytes` that one tenant's entries may take, above 0 and at most 1. Defaults to 0.5.
    pub tenant_share: f64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { max_bytes: MAX_BYTES, max_entry_bytes: MAX_ENTRY_BYTES, tenant_share: TENANT_SHARE }
    }
}

impl CacheConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        if self.max_bytes == 0 {
            return Err(InvalidConfig { field: "max_bytes", value: "0".into(), expected: "at least 1" });
        }
        if !(1..=self.max_bytes.min(MAX_WEIGHT_BYTES)).contains(&self.max_entry_bytes) {
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

    /// Returns the quota of one tenant in bytes.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a positive number; beyond 2^53 the precision of a few bytes does not matter"
    )]
    pub(crate) fn tenant_quota(&self) -> u64 {
        (self.max_bytes as f64 * self.tenant_share) as u64
    }
}

/// An invalid setting of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid cache config: `{field}` is {value}, expected {expected}")]
#[non_exhaustive]
pub struct InvalidConfig {
    /// The name of the field.
    pub field: &'static str,
    /// The rejected value.
    pub value: String,
    /// The accepted range.
    pub expected: &'static str,
}

crate::with::with_changes!(CacheConfig);

#[cfg(test)]
mod tests;
