use std::{collections::BTreeMap, sync::Arc};

use fb_budget::{LedgerConfig, Limits, PriceBook};
use fb_cache::CacheConfig;
use fb_core::{Observer, Provider};
use fb_quality::Gate;
use fb_retry::BudgetConfig;
use fb_router::Classifier;

use crate::{
    Evaluations, Route, TracesConfig,
    mechanisms::{Mechanisms, Overrides},
};

/// The providers, routes and settings of a client, collected by the builder and consumed by the engine.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) providers: BTreeMap<String, Arc<dyn Provider>>,
    /// Models that a request may name without their provider, by provider.
    pub(crate) models: BTreeMap<String, Vec<String>>,
    pub(crate) routes: Vec<Route>,
    pub(crate) mechanisms: Mechanisms,
    /// Mechanism settings of single providers.
    pub(crate) overrides: BTreeMap<String, Overrides>,
    pub(crate) retry_budget: BudgetConfig,
    pub(crate) cache: CacheConfig,
    pub(crate) traces: TracesConfig,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Quality gates of the program, by route.
    pub(crate) gates: BTreeMap<String, Vec<Box<dyn Gate>>>,
    pub(crate) prices: PriceBook,
    /// Kinds of the providers, by which the built-in price list finds their models.
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) tenants: BTreeMap<String, Limits>,
    pub(crate) ledger: Option<LedgerConfig>,
    pub(crate) evaluations: Evaluations,
    pub(crate) classifier: Option<Arc<dyn Classifier>>,
    pub(crate) seed: Option<u64>,
}
