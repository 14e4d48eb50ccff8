//! A call that fails until its breaker opens, then something else to give instead.
//!
//! `cargo run -p fb-breaker --example call`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Instant;

use fb_breaker::{Breaker, BreakerConfig, CallError};

async fn fetch() -> Result<&'static str, &'static str> {
    Err("connection refused")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), fb_breaker::InvalidConfig> {
    let breaker = Breaker::new(BreakerConfig::default(), clock)?;
    for call in 1..=6 {
        match breaker.call(fetch).await {
            Ok(page) => println!("{call}: {page}"),
            Err(CallError::Failed(error)) => println!("{call}: failed, {error}; {}", breaker.state(clock())),
            Err(CallError::Rejected(rejected)) => println!("{call}: not made, {rejected}"),
        }
    }
    let page = breaker.call_or(fetch, |_error| "the page of yesterday").await;
    println!("instead: {page}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program has to read the time somewhere")]
fn clock() -> Instant {
    Instant::now()
}
