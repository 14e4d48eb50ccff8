//! The scenarios: one injected failure each, and the properties that must hold under it. Every scenario checks the
//! responses of clients and counts the calls to each simulated provider.
//!
//! Scenarios must hold on a machine of any speed. They wait for a condition instead of a fixed time, and their timeouts
//! and breaker intervals leave room for a busy machine.

mod answers;
mod doors;
mod incidents;
mod money;
mod outages;
mod quality;
mod routing;
mod streams;
mod summary;

use std::{future::Future, path::PathBuf, pin::Pin, time::Duration};

use self::summary::Summary;

/// A named scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Runs it with the `fb` binary, and with the length of a replay if it is not the default.
    pub(crate) run: fn(PathBuf, Option<Duration>) -> ScenarioFuture,
}

type ScenarioFuture = Pin<Box<dyn Future<Output = anyhow::Result<Summary>> + Send>>;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "primary 503", run: |fb, _| Box::pin(outages::primary_503(fb)) },
    Scenario { name: "429 with Retry-After", run: |fb, _| Box::pin(outages::rate_limited(fb)) },
    Scenario { name: "primary hangs", run: |fb, _| Box::pin(outages::hang(fb)) },
    Scenario { name: "primary refuses", run: |fb, _| Box::pin(outages::refused(fb)) },
    Scenario { name: "outage under load", run: |fb, _| Box::pin(outages::outage(fb)) },
    Scenario { name: "down before it is called", run: |fb, _| Box::pin(outages::probed(fb)) },
    Scenario { name: "all down", run: |fb, _| Box::pin(outages::all_down(fb)) },
    Scenario { name: "all down, answers kept", run: |fb, _| Box::pin(answers::kept(fb)) },
    Scenario { name: "down the ladder and up", run: |fb, _| Box::pin(answers::ladder(fb)) },
    Scenario { name: "incidents", run: |fb, length| Box::pin(incidents::replay(fb, length)) },
    Scenario { name: "stream cut mid-way", run: |fb, _| Box::pin(streams::cut(fb)) },
    Scenario { name: "stream cut, resumed", run: |fb, _| Box::pin(streams::resumed(fb)) },
    Scenario { name: "stream stalls", run: |fb, _| Box::pin(streams::stall(fb)) },
    Scenario { name: "callers leave", run: |fb, _| Box::pin(streams::cancelled(fb)) },
    Scenario { name: "Anthropic's clients", run: |fb, _| Box::pin(doors::messages(fb)) },
    Scenario { name: "weights 70 and 30", run: |fb, _| Box::pin(routing::weighted(fb)) },
    Scenario { name: "race", run: |fb, _| Box::pin(routing::race(fb)) },
    Scenario { name: "race with a block", run: |fb, _| Box::pin(routing::race_blocked(fb)) },
    Scenario { name: "hedge, one in ten", run: |fb, _| Box::pin(routing::hedge(fb)) },
    Scenario { name: "sticky sessions", run: |fb, _| Box::pin(routing::sticky(fb)) },
    Scenario { name: "one region only", run: |fb, _| Box::pin(routing::regions(fb)) },
    Scenario { name: "off schema", run: |fb, _| Box::pin(quality::off_schema(fb)) },
    Scenario { name: "off schema, streamed", run: |fb, _| Box::pin(quality::streams(fb)) },
    Scenario { name: "a tenant at its limit", run: |fb, _| Box::pin(money::limit(fb)) },
    Scenario { name: "spend over kill -9", run: |fb, _| Box::pin(money::killed(fb)) },
    Scenario { name: "a tenant in one region", run: |fb, _| Box::pin(money::bound(fb)) },
];
