//! The observers of the gateway, and the metrics that Prometheus scrapes.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use fb::{AccountStats, Client, Config, InvalidConfig, Money, Observer, TargetId};
use fb_telemetry::{
    Account, DriftConfig, DriftWatch, FanOut, Metrics, Names, Readings, TracingEvents, record::Recorder,
};

use crate::log::Log;

/// The metrics that Prometheus scrapes: counters, and gauges read from tenants, quality scores and the recorder.
#[derive(Debug, Clone)]
pub struct Scrape {
    metrics: Arc<Metrics>,
    /// Limits in US dollars per day and per month, by tenant.
    limits: BTreeMap<String, [Option<f64>; 2]>,
    has_ledger: bool,
    recorder: Option<Arc<Recorder>>,
}

impl Scrape {
    /// Creates the scrape of `metrics` for a client built from `config`.
    pub fn new(metrics: Arc<Metrics>, config: &Config) -> Self {
        let limits = config
            .tenants
            .iter()
            .map(|(name, tenant)| (name.clone(), [tenant.usd_per_day, tenant.usd_per_month]));
        Self { metrics, limits: limits.collect(), has_ledger: config.ledger.is_some(), recorder: None }
    }

    /// Renders the current values in Prometheus' text format.
    pub(crate) fn render(&self, client: &Client) -> String {
        // The usage of a tenant's key is included in the tenant's account.
        let tenants = client.tenants().into_iter().filter(|(name, ..)| !name.contains('/'));
        let tenants = tenants.map(|(name, statistics, _)| {
            let account = self.account(&name, &statistics);
            (name, account)
        });
        self.metrics.render_with(&Readings {
            tenants: tenants.collect(),
            ledger_failing: self.has_ledger.then(|| client.ledger_failure().is_some()),
            quality: client.quality(),
            records: self.recorder.as_ref().map(|recorder| recorder.records()),
        })
    }

    fn account(&self, name: &str, statistics: &AccountStats) -> Account {
        let AccountStats { used, day_nanos, month_nanos, reserved_nanos, .. } = *statistics;
        let [day, month, reserved] = [day_nanos, month_nanos, reserved_nanos].map(Money::from_nanos);
        let [day_limit, month_limit] = self.limits.get(name).copied().unwrap_or_default();
        Account { tokens: used.tokens, cost: used.cost(), day, month, reserved, day_limit, month_limit }
    }
}

/// Combines log, metrics, drift alarm and recorder into one observer, and returns the scrape of its metrics.
///
/// # Errors
///
/// Returns an error if a drift setting is out of its range.
pub fn observers(
    log: &Arc<Log>,
    config: &Config,
    drift: &DriftConfig,
    recorder: Option<&Arc<Recorder>>,
) -> Result<(FanOut, Scrape), InvalidConfig> {
    let names = names(config);
    let metrics = Arc::new(Metrics::new(&names));
    let counts = Arc::clone(&metrics);
    let watch = DriftWatch::new(&names, drift.clone(), now, move |alarm| counts.count_alarm(alarm))?;
    let all: [Arc<dyn Observer>; 4] =
        [Arc::clone(log) as _, Arc::clone(&metrics) as _, Arc::new(watch), Arc::new(TracingEvents)];
    let scrape = Scrape { recorder: recorder.cloned(), ..Scrape::new(metrics, config) };
    let recorder = recorder.map(|recorder| Arc::clone(recorder) as _);
    Ok((FanOut::new(all.into_iter().chain(recorder)), scrape))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns the label values of the metrics. A target is also a route, because requests can name it as their model.
fn names(config: &Config) -> Names {
    let of_routes =
        config.routes.values().flat_map(|route| route.all_targets().map(|(_, target)| target.name()));
    let listed = config
        .providers
        .iter()
        .flat_map(|(provider, has)| has.models.iter().map(move |model| format!("{provider}/{model}")));
    let mut targets: Vec<String> = of_routes.chain(listed).collect();
    targets.sort_unstable();
    targets.dedup();
    let ids: Vec<TargetId> = targets.iter().filter_map(|id| id.parse().ok()).collect();
    Names {
        routes: config.routes.keys().cloned().chain(targets).collect(),
        targets: ids,
        tenants: config.tenants.keys().cloned().collect(),
    }
}
