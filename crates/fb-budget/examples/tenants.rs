//! Two tenants of one config: a refusal, a downshift, a stream that is cut, and a restart.
//!
//! `cargo run -p fb-budget --example tenants`
#![expect(clippy::print_stdout, reason = "the output is the purpose of an example")]

use std::{
    collections::BTreeMap,
    error::Error,
    time::{Instant, SystemTime},
};

use fb_budget::{Amount, Book, LedgerConfig, Limits, Moment, PriceBook, PriceConfigs};
use fb_core::{TargetId, Usage};
use serde::Deserialize;

const CONFIG: &str = r#"
[prices."lab/large"]
input = 3
output = 15

[tenants.acme]
usd_per_day = 0.05

[tenants.clinic]
usd_per_day = 0.05
tier = "premium"
regions = ["eu"]
"#;

#[derive(Deserialize)]
struct Config {
    prices: BTreeMap<String, PriceConfigs>,
    tenants: BTreeMap<String, Limits>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let config: Config = toml::from_str(CONFIG)?;
    let folder = tempfile::tempdir()?;
    let ledger = LedgerConfig::new(folder.path().join("spend.redb"));
    let target: TargetId = "lab/large".parse()?;
    let prices = PriceBook::new(&config.prices)?;
    let prices = prices.prices(&target, "lab", moment().wall).ok_or("no price")?;
    let estimate = Amount { cost: prices.estimate(1_000, 1_000), tokens: 2_000 };

    let book = Book::open(&config.tenants, &ledger, moment())?;
    for tenant in ["acme", "clinic"] {
        let account = book.account(tenant);
        loop {
            match account.reserve(&target, estimate, moment()) {
                Ok(call) => {
                    let usage = Usage { input: 1_000, output: 800, ..Usage::default() };
                    call.settle(Amount { cost: prices.cost(usage), tokens: usage.total() });
                }
                Err(refused) => {
                    let kind = if refused.limit.is_money() { "money" } else { "rate" };
                    println!("{refused} ({kind})");
                    break;
                }
            }
        }
        println!("{tenant} takes a cheaper route: {}", account.downshifts(moment()));
    }

    let mut stream = book.reserve("unknown", &target, estimate, moment())?;
    let streamed = Usage { input: 1_000, output: 20, ..Usage::default() };
    stream.record_usage(Amount { cost: prices.cost(streamed), tokens: streamed.total() });
    drop(stream);
    book.close()?;

    let book = Book::open(&config.tenants, &ledger, moment())?;
    for (tenant, stats) in book.stats(moment()) {
        println!("after a restart, {tenant} has spent {} nano-dollars today", stats.day_nanos);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program has to read the time somewhere")]
fn moment() -> Moment {
    Moment { now: Instant::now(), wall: SystemTime::now() }
}
