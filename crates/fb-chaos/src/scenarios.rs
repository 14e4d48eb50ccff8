//! What is broken, and what must be true then. Every scenario checks what clients saw and counts what each simulated
//! provider was asked.

mod answers;
mod money;
mod outages;
mod quality;
mod routing;
mod streams;

use std::{future::Future, path::PathBuf, pin::Pin};

/// Requests of a scenario, sent one after the other.
const REQUESTS: u64 = 30;

/// One way to break things.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(PathBuf) -> Running,
}

type Running = Pin<Box<dyn Future<Output = anyhow::Result<Row>> + Send>>;

/// What a green row says.
pub(crate) struct Row {
    pub(crate) clients: String,
    pub(crate) providers: String,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "primary 503", run: |fb| Box::pin(outages::primary_503(fb)) },
    Scenario { name: "429 with Retry-After", run: |fb| Box::pin(outages::rate_limited(fb)) },
    Scenario { name: "primary hangs", run: |fb| Box::pin(outages::hang(fb)) },
    Scenario { name: "primary refuses", run: |fb| Box::pin(outages::refused(fb)) },
    Scenario { name: "outage under load", run: |fb| Box::pin(outages::outage(fb)) },
    Scenario { name: "down before it is asked", run: |fb| Box::pin(outages::probed(fb)) },
    Scenario { name: "all down", run: |fb| Box::pin(outages::all_down(fb)) },
    Scenario { name: "all down, answers kept", run: |fb| Box::pin(answers::kept(fb)) },
    Scenario { name: "down the ladder and up", run: |fb| Box::pin(answers::ladder(fb)) },
    Scenario { name: "stream cut mid-way", run: |fb| Box::pin(streams::cut(fb)) },
    Scenario { name: "stream cut, resumed", run: |fb| Box::pin(streams::resumed(fb)) },
    Scenario { name: "stream stalls", run: |fb| Box::pin(streams::stall(fb)) },
    Scenario { name: "callers leave", run: |fb| Box::pin(streams::left(fb)) },
    Scenario { name: "weights 70 and 30", run: |fb| Box::pin(routing::weighted(fb)) },
    Scenario { name: "race", run: |fb| Box::pin(routing::race(fb)) },
    Scenario { name: "race with a block", run: |fb| Box::pin(routing::race_blocked(fb)) },
    Scenario { name: "hedge, one in ten", run: |fb| Box::pin(routing::hedge(fb)) },
    Scenario { name: "sticky sessions", run: |fb| Box::pin(routing::sticky(fb)) },
    Scenario { name: "one region only", run: |fb| Box::pin(routing::regions(fb)) },
    Scenario { name: "off schema", run: |fb| Box::pin(quality::off_schema(fb)) },
    Scenario { name: "off schema, streamed", run: |fb| Box::pin(quality::streams(fb)) },
    Scenario { name: "a tenant at its limit", run: |fb| Box::pin(money::limit(fb)) },
    Scenario { name: "spend over kill -9", run: |fb| Box::pin(money::killed(fb)) },
    Scenario { name: "a tenant in one region", run: |fb| Box::pin(money::bound(fb)) },
];

fn asked(calls: [u64; 3]) -> String {
    format!("{} / {} / {}", calls[0], calls[1], calls[2])
}
