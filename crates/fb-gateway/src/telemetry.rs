//! Who hears of what the gateway does.

use std::{sync::Arc, time::Instant};

use fb::{Config, Observer, TargetId};
use fb_telemetry::{DriftConfig, DriftWatch, Fan, Metrics, Names, TracingEvents};

use crate::{log::Log, record::Recorder};

/// Log, metrics, the alarm and the recorder, as one; and the metrics to be fetched.
pub(crate) fn observers(
    log: &Arc<Log>,
    config: &Config,
    drift: &DriftConfig,
    recorder: Option<&Arc<Recorder>>,
) -> Result<(Fan, Arc<Metrics>), String> {
    let names = names(config);
    let metrics = Arc::new(Metrics::new(&names));
    let counts = Arc::clone(&metrics);
    let watch = DriftWatch::new(&names, drift.clone(), now, move |alarm| counts.count_alarm(alarm))
        .map_err(|error| error.to_string())?;
    let all: [Arc<dyn Observer>; 4] =
        [Arc::clone(log) as _, Arc::clone(&metrics) as _, Arc::new(watch), Arc::new(TracingEvents)];
    let recorder = recorder.map(|recorder| Arc::clone(recorder) as _);
    Ok((Fan::new(all.into_iter().chain(recorder)), metrics))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Every route and target, and every target as the route that it is by itself.
fn names(config: &Config) -> Names {
    let of_routes =
        config.routes.values().flat_map(|route| route.every_target().map(|(_, target)| target.name()));
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
