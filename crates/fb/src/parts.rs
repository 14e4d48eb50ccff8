use std::sync::Arc;

use fb_budget::LedgerConfig;
use fb_cache::CacheConfig;
use fb_core::Observer;
use fb_router::Classifier;

use crate::TracesConfig;

/// The settings of a client beside its [catalog](crate::catalog::Catalog), collected by the builder and consumed by the
/// engine.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) cache: CacheConfig,
    pub(crate) traces: TracesConfig,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) ledger: Option<LedgerConfig>,
    pub(crate) classifier: Option<Arc<dyn Classifier>>,
    pub(crate) seed: Option<u64>,
}
