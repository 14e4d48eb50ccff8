use std::{collections::BTreeMap, time::Duration};

use fb::Money;
use fb_telemetry::record::RecordedOutcome;
use serde::Serialize;

use super::{
    memory::Assumed,
    replay::{Played, Replayed},
};
use crate::stdout::{millis, percentile, seconds, table};

/// All that `fb backtest` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Comparison {
    pub(super) routes: Vec<OfRoute>,
    /// What the records do not tell, in words.
    pub(super) assumed: Vec<String>,
}

/// One route, as it was recorded and as it is predicted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct OfRoute {
    pub(super) route: String,
    pub(super) requests: usize,
    pub(super) recorded: Figures,
    pub(super) predicted: Figures,
}

/// What the requests of a route came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Requests with a whole answer, of any level.
    pub(super) answered: usize,
    /// Calls to targets, of all requests.
    pub(super) calls: u64,
    pub(super) p50_ms: u64,
    pub(super) p95_ms: u64,
    /// Of the calls whose price and tokens are known.
    pub(super) cost_nanos: Option<u64>,
    /// Who answered how many, or why nobody did.
    pub(super) answered_by: BTreeMap<String, usize>,
}

impl Figures {
    fn of<'a, I: Iterator<Item = &'a Played> + Clone>(played: I) -> Self {
        let mut took: Vec<Duration> = played.clone().map(|one| one.took).collect();
        took.sort_unstable();
        let mut answered_by = BTreeMap::new();
        for one in played.clone() {
            *answered_by.entry(one.by.clone()).or_default() += 1;
        }
        let time = |percent| percentile(&took, percent).map_or(0, millis);
        let costs = played.clone().filter_map(|one| one.cost);
        Self {
            answered: played.clone().filter(|one| one.outcome == RecordedOutcome::Ok).count(),
            calls: played.map(|one| u64::from(one.calls)).sum(),
            p50_ms: time(50),
            p95_ms: time(95),
            cost_nanos: costs.reduce(|sum, cost| sum + cost).map(Money::nanos),
            answered_by,
        }
    }
}

pub(super) fn compare(replayed: &Replayed) -> Comparison {
    let mut names: Vec<&str> = replayed.requests.iter().map(|both| both.route.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of_route = |name: &str| {
        let requests = replayed.requests.iter().filter(move |both| both.route == name);
        OfRoute {
            route: name.to_owned(),
            requests: requests.clone().count(),
            recorded: Figures::of(requests.clone().map(|both| &both.recorded)),
            predicted: Figures::of(requests.map(|both| &both.predicted)),
        }
    };
    Comparison { routes: names.into_iter().map(of_route).collect(), assumed: assumed(replayed) }
}

fn assumed(replayed: &Replayed) -> Vec<String> {
    let latency = humantime::format_duration(replayed.latency);
    let mut assumed: Vec<String> = replayed
        .assumed
        .iter()
        .map(|(target, like)| match like {
            Assumed::Provider => {
                format!("{target} was never called: it does as other models of its provider")
            }
            Assumed::Nobody => format!("{target} was never called: it answers in {latency}"),
        })
        .collect();
    if replayed.cached > 0 {
        assumed.push(format!("{} answers come from the cache as they did", replayed.cached));
    }
    if replayed.guessed > 0 {
        let guessed = replayed.guessed;
        assumed.push(format!("{guessed} answers that were none cost as much as one of the usual length"));
    }
    assumed
}

/// A table of every figure, differences marked, and what was assumed.
pub(super) fn print(comparison: &Comparison) -> String {
    let mut lines = vec![["route", "figure", "recorded", "predicted", ""].map(str::to_owned).to_vec()];
    for of_route in &comparison.routes {
        lines.extend(of_route.lines());
    }
    let assumed = match comparison.assumed.as_slice() {
        [] => "nothing".to_owned(),
        assumed => assumed.join("; "),
    };
    format!(
        "{}\n\n* differs; played in virtual time, no provider was called\nassumed: {assumed}",
        table(&lines, 3)
    )
}

impl OfRoute {
    fn lines(&self) -> Vec<Vec<String>> {
        let Self { route, requests, recorded, predicted } = self;
        let mut lines = Vec::new();
        let mut line = |figure: &str, of: &dyn Fn(&Figures) -> String| {
            let (was, is) = (of(recorded), of(predicted));
            let mark = if was == is { "" } else { "*" };
            lines.push(vec![route.clone(), figure.to_owned(), was, is, mark.to_owned()]);
        };
        line("requests", &|_| requests.to_string());
        line("success", &|figures| format!("{:.1} %", 100.0 * share(figures.answered, *requests)));
        line("calls per request", &|figures| format!("{:.2}", share(figures.calls, *requests)));
        line("p50", &|figures| seconds(figures.p50_ms));
        line("p95", &|figures| seconds(figures.p95_ms));
        line("cost", &|figures| {
            figures.cost_nanos.map_or_else(|| "-".to_owned(), |nanos| Money::from_nanos(nanos).to_string())
        });
        let mut by: Vec<&String> = recorded.answered_by.keys().chain(predicted.answered_by.keys()).collect();
        by.sort_unstable();
        by.dedup();
        for who in by {
            let count = |figures: &Figures| figures.answered_by.get(who).copied().unwrap_or(0).to_string();
            line(&format!("by {who}"), &count);
        }
        lines
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn share(part: impl TryInto<u64>, whole: usize) -> f64 {
    part.try_into().unwrap_or(u64::MAX) as f64 / whole as f64
}

#[cfg(test)]
mod tests;
