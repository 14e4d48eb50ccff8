//! The features of the original brief with its own numbers, one test per row of its list.
//!
//! Tests over HTTP use simulated providers; tests of the library use scripted ones in virtual time.

use fb::{Builder, Client, Config, Report};
use fb_testkit::{Script, script};

use crate::harness::{Sims, without_times};

mod breaker;
mod cached;
mod chain;
mod checker;
mod classes;
mod config;
mod degraded_mode;
mod degrader;
mod failures;
mod health;
mod hops;
mod ladder;
mod layers;
mod policy;
mod practices;
mod probes;
mod production;
mod race;
mod records;
mod retry;
mod runtime;
mod service;
mod signals;
mod stats;
mod translation;
mod weights;

/// Creates a builder with the providers of a script, which is returned beside it.
fn scripted(text: &str) -> (Script, Builder) {
    let script = script(text);
    let builder = script
        .providers()
        .into_iter()
        .fold(Client::builder(), |builder, (name, provider)| builder.provider(name, provider));
    (script, builder)
}

/// Returns a config of two targets without retries, `primary` and `backup`, with an admin listener and `more` tables.
fn without_retries(sims: &Sims, more: &str) -> String {
    format!(
        r#"
        {}
        [admin]
        listen = "127.0.0.1:0"
        {more}
        [routes.default]
        targets = [
            {{ provider = "primary", model = "gpt-4.1", max_retries = 0 }},
            {{ provider = "backup", model = "claude-sonnet-4", max_retries = 0 }},
        ]
        "#,
        sims.providers()
    )
}

/// Returns the calls to each provider of a script, in its order.
fn calls(script: &Script) -> Vec<u32> {
    script.providers().iter().map(|(_, provider)| provider.calls()).collect()
}

/// Returns the rows of a trace without their times: `a/m 1 server_error (500); b/m 1 ok  15 tokens`.
fn rows(report: &Report) -> String {
    without_times(&report.trace.one_line())
}

/// Builds a client from the text of a config file, with the providers of a script, which is returned beside it.
fn configured(text: &str, config: &str) -> (Script, Client) {
    let config = Config::from_toml(config).unwrap();
    let (script, builder) = scripted(text);
    (script, builder.seed(7).config_without_providers(&config).build().unwrap())
}
