//! The observers of the gateway, and the metrics that Prometheus scrapes.

use std::{sync::Arc, time::Instant};

use fb::{Client, Config, InvalidConfig, Observer, TargetId};
use fb_telemetry::{
    DriftConfig, DriftWatch, FanOut, Metrics, Names, Observable, TracingEvents, record::Recorder,
};

use crate::log::Log;

/// The metrics that Prometheus scrapes: counters, and gauges read from the client and the recorder.
#[derive(Debug, Clone)]
pub struct Scrape {
    metrics: Arc<Metrics>,
    recorder: Option<Arc<Recorder>>,
}

impl Scrape {
    /// Creates the scrape of `metrics`, which is an observer of the client.
    pub const fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, recorder: None }
    }

    /// Renders the current values in Prometheus' text format.
    pub(crate) fn render(&self, client: &Client) -> String {
        let records = self.recorder.as_ref().map(|recorder| recorder.records());
        self.metrics.render_with(&{
            let mut value = client.readings();
            value.records = records;
            value
        })
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
    let scrape = Scrape { metrics, recorder: recorder.cloned() };
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
