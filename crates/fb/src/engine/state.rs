//! The engine: the state that all requests of one client share.

use std::sync::Arc;

use fb_budget::{Book, LedgerConfig, OpenError};
use fb_cache::CacheConfig;
use fb_core::{ChatRequest, Envelope, InvalidConfig};
use fb_router::Classifier;
use parking_lot::{Mutex, RwLock};

use super::{
    cache::{Cache, Kept},
    context::{Mode, RequestContext},
    directory::Directory,
    observers::Observers,
    record::RequestRecord,
    route_state::RouteState,
    spend::{CostEstimate, moment},
};
use crate::{
    catalog::Catalog, clock::now, error::BuildError, parts::Parts, stats::RequestCounters, traces::Traces,
};

/// The state that all requests of one client share.
pub(crate) struct Engine {
    /// Replaced as a whole when providers or routes change. A request ends with the one that it began with.
    directory: RwLock<Arc<Directory>>,
    /// Held while the next directory is built, so that no change is lost.
    pub(super) changing: Mutex<()>,
    pub(crate) observers: Observers,
    random: Mutex<fastrand::Rng>,
    pub(super) counters: Arc<Mutex<RequestCounters>>,
    pub(super) classifier: Option<Arc<dyn Classifier>>,
    pub(super) traces: Arc<Traces>,
    pub(super) ledger: Option<LedgerConfig>,
    pub(super) cache_config: CacheConfig,
    pub(super) cache: Cache<Kept>,
}

impl Engine {
    pub(crate) fn new(catalog: Catalog, parts: Parts) -> Result<Self, BuildError> {
        let random = parts.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let book = open_book(&catalog, &parts)?.map(Arc::new);
        let traces = Arc::new(Traces::new(&parts.traces));
        let cache = Cache::new(parts.cache.clone()).map_err(|error| {
            let error = InvalidConfig::expecting(error.field, error.value, error.expected);
            BuildError::new(error.within("cache"))
        })?;
        let observers = Observers::new(parts.observers);
        let directory = Directory::new(catalog, book, observers.clone(), parts.seed)?;
        Ok(Self {
            directory: RwLock::new(Arc::new(directory)),
            changing: Mutex::default(),
            observers,
            random: Mutex::new(random),
            counters: Arc::default(),
            classifier: parts.classifier,
            traces,
            ledger: parts.ledger,
            cache_config: parts.cache,
            cache,
        })
    }

    /// Returns the present directory.
    pub(super) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read())
    }

    /// Replaces the directory for requests that begin from now on.
    pub(super) fn set_directory(&self, next: Arc<Directory>) {
        *self.directory.write() = next;
    }

    /// Creates the context in which the targets of a route are called for a request.
    pub(super) fn context<'a>(
        &'a self,
        request: &'a ChatRequest,
        mode: Mode,
        (directory, route): (&'a Arc<Directory>, &'a Arc<RouteState>),
        record: &'a Arc<RequestRecord>,
        envelope: Envelope,
    ) -> RequestContext<'a> {
        let deadline = route.deadline(request, mode == Mode::Stream);
        RequestContext {
            request,
            mode,
            directory,
            route,
            record,
            estimate: directory.account(request).map(|account| CostEstimate::new(account, request)),
            envelope,
            deadline,
            deadline_shortened: request.options().timeout.is_some_and(|timeout| timeout < deadline.after),
            panic: update_panic(directory, route),
            reserve: 0,
            random: &self.random,
        }
    }

    /// Returns a random number in `[0, 1)`.
    pub(super) fn random(&self) -> f64 {
        self.random.lock().f64()
    }
}

/// Updates and returns the panic mode of a route: true if too few of its targets are healthy.
pub(super) fn update_panic(directory: &Directory, route: &RouteState) -> bool {
    let at = now();
    let healthy =
        route.targets.iter().filter(|target| target.state.health.own_eligibility(at).is_usable()).count();
    let config = &directory.catalog().mechanisms.health.panic;
    route.panic.update(config, healthy, route.targets.len())
}

/// Opens the book of the tenants' accounts, if there are limits or a ledger.
fn open_book(catalog: &Catalog, parts: &Parts) -> Result<Option<Book>, BuildError> {
    let (tenants, at) = (&catalog.tenants, moment(now()));
    match &parts.ledger {
        None if tenants.is_empty() => Ok(None),
        None => Book::new(tenants, at.now).map(Some).map_err(BuildError::new),
        Some(ledger) => Book::open(tenants, ledger, at).map(Some).map_err(|error| match error {
            OpenError::Config(error) => BuildError::new(error),
            OpenError::Ledger(error) => {
                let path = ledger.path.display().to_string();
                BuildError::new(InvalidConfig::new("ledger.path", path, error.to_string()))
            }
        }),
    }
}
