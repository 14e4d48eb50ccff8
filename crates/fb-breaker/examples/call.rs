//! Calls that fail until the breaker opens, then a fallback.
//!
//! `cargo run -p fb-breaker --example call`
#![expect(clippy::print_stdout, reason = "an example prints its result")]

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
            Err(CallError::Rejected(rejected)) => println!("{call}: rejected, {rejected}"),
        }
    }
    let page = breaker.call_or(fetch, |_error| "a cached page").await;
    println!("fallback: {page}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program needs one clock")]
fn clock() -> Instant {
    Instant::now()
}
