//! The figures of each route, recorded and predicted, and their table.

use std::{collections::BTreeMap, time::Duration};

use fb::Money;
use fb_telemetry::record::RecordedOutcome;
use serde::Serialize;

use super::{
    history::Assumption,
    replay::{Replay, RequestResult},
};
use crate::stdout::{count, millis, percentile, seconds, table};

/// The output of `fb backtest`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Comparison {
    pub(super) routes: Vec<RouteComparison>,
    /// The assumptions about facts that the records do not contain, in words.
    pub(super) assumed: Vec<String>,
}

/// The recorded and the predicted figures of one route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RouteComparison {
    pub(super) route: String,
    pub(super) requests: usize,
    pub(super) recorded: Figures,
    pub(super) predicted: Figures,
}

/// The figures of the requests of a route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Requests with a complete answer, of any level.
    pub(super) answered: usize,
    /// Calls to all targets.
    pub(super) calls: u64,
    pub(super) p50_ms: u64,
    pub(super) p95_ms: u64,
    /// Cost of the calls with known price and tokens, in billionths of a dollar.
    pub(super) cost_nanos: Option<u64>,
    /// Requests by the target or cache that answered, or by the reason for no answer.
    pub(super) answered_by: BTreeMap<String, usize>,
}

impl Figures {
    fn new<'a, I: Iterator<Item = &'a RequestResult> + Clone>(results: I) -> Self {
        let mut took: Vec<Duration> = results.clone().map(|result| result.took).collect();
        took.sort_unstable();
        let mut answered_by = BTreeMap::new();
        for result in results.clone() {
            *answered_by.entry(result.answered_by.clone()).or_default() += 1;
        }
        let percentile_ms = |percent| percentile(&took, percent).map_or(0, millis);
        let costs = results.clone().filter_map(|result| result.cost);
        Self {
            answered: results.clone().filter(|result| result.outcome == RecordedOutcome::Ok).count(),
            calls: results.map(|result| u64::from(result.calls)).sum(),
            p50_ms: percentile_ms(50),
            p95_ms: percentile_ms(95),
            cost_nanos: costs.reduce(|sum, cost| sum + cost).map(Money::nanos),
            answered_by,
        }
    }
}

/// Compares the recorded with the predicted figures, route by route.
pub(super) fn compare(replay: &Replay) -> Comparison {
    let mut names: Vec<&str> = replay.requests.iter().map(|request| request.route.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let compare_route = |name: &str| {
        let requests = replay.requests.iter().filter(move |request| request.route == name);
        RouteComparison {
            route: name.to_owned(),
            requests: requests.clone().count(),
            recorded: Figures::new(requests.clone().map(|request| &request.recorded)),
            predicted: Figures::new(requests.map(|request| &request.predicted)),
        }
    };
    Comparison {
        routes: names.into_iter().map(compare_route).collect(),
        assumed: describe_assumptions(replay),
    }
}

fn describe_assumptions(replay: &Replay) -> Vec<String> {
    let latency = humantime::format_duration(replay.latency);
    let mut lines: Vec<String> = replay
        .assumptions
        .iter()
        .map(|(target, assumption)| match assumption {
            Assumption::LikeProvider => {
                format!("{target} was never called: it behaves like other models of its provider")
            }
            Assumption::Success => format!("{target} was never called: it answers in {latency}"),
        })
        .collect();
    if replay.cached > 0 {
        lines.push(format!("{} come from the cache again", count(replay.cached, "answer")));
    }
    if replay.estimated > 0 {
        let answers = count(replay.estimated, "answer");
        lines.push(format!("{answers} to requests without a recorded answer, with the median output"));
    }
    lines
}

/// Formats a table of all figures, in which differences are marked, and the assumptions.
pub(super) fn print(comparison: &Comparison) -> String {
    let mut rows = vec![["route", "figure", "recorded", "predicted", ""].map(str::to_owned).to_vec()];
    for route in &comparison.routes {
        rows.extend(route.rows());
    }
    let assumed = match comparison.assumed.as_slice() {
        [] => "nothing".to_owned(),
        assumed => assumed.join("; "),
    };
    format!(
        "{}\n\n* differs; replayed in virtual time, no provider was called\nassumed: {assumed}",
        table(&rows, 3)
    )
}

impl RouteComparison {
    fn rows(&self) -> Vec<Vec<String>> {
        let Self { route, requests, recorded, predicted } = self;
        let mut rows = Vec::new();
        let mut add = |figure: &str, format: &dyn Fn(&Figures) -> String| {
            let (recorded, predicted) = (format(recorded), format(predicted));
            let mark = if recorded == predicted { "" } else { "*" };
            rows.push(vec![route.clone(), figure.to_owned(), recorded, predicted, mark.to_owned()]);
        };
        add("requests", &|_| requests.to_string());
        add("success", &|figures| format!("{:.1} %", 100.0 * share(figures.answered, *requests)));
        add("calls per request", &|figures| format!("{:.2}", share(figures.calls, *requests)));
        add("p50", &|figures| seconds(figures.p50_ms));
        add("p95", &|figures| seconds(figures.p95_ms));
        add("cost", &|figures| {
            figures.cost_nanos.map_or_else(|| "-".to_owned(), |nanos| Money::from_nanos(nanos).to_string())
        });
        let mut sources: Vec<_> = recorded.answered_by.keys().chain(predicted.answered_by.keys()).collect();
        sources.sort_unstable();
        sources.dedup();
        for source in sources {
            let number =
                |figures: &Figures| figures.answered_by.get(source).copied().unwrap_or(0).to_string();
            add(&format!("by {source}"), &number);
        }
        rows
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn share(part: impl TryInto<u64>, whole: usize) -> f64 {
    part.try_into().unwrap_or(u64::MAX) as f64 / whole as f64
}

#[cfg(test)]
mod tests;
