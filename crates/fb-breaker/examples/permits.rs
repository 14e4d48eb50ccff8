//! Permits: a verdict, a cancelled future, and a stream that fails after its first output.
//!
//! `cargo run -p fb-breaker --example permits`
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{
    error::Error,
    future::pending,
    time::{Duration, Instant},
};

use fb_breaker::{Breaker, BreakerConfig, Weight};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = BreakerConfig::with(|config| config.consecutive = Some(3));
    let breaker = Breaker::new(config, clock)?;

    // A failed call; the caller decides on its weight.
    let permit = breaker.try_acquire(clock())?;
    permit.failure(Weight::FULL, clock());
    println!("failed:    {} consecutive failures", breaker.consecutive_failures());

    // A cancelled call records no verdict and frees its permit.
    let never = breaker.call(pending::<Result<(), std::io::Error>>);
    let cancelled = tokio::time::timeout(Duration::from_millis(10), never).await.is_err();
    println!("cancelled: {cancelled}, {} permits outstanding", breaker.outstanding());

    // A stream that has begun ends no streak of failures before its own end, and may still fail.
    let stream = breaker.try_acquire(clock())?.provisional(clock());
    println!("streaming: {} consecutive failures", breaker.consecutive_failures());
    stream.failure(Weight::FULL, clock());
    println!("cut off:   {} consecutive failures", breaker.consecutive_failures());

    // A failure with a `Retry-After` of the target.
    let outage = Weight::FULL.with_retry_after(Duration::from_secs(60));
    breaker.try_acquire(clock())?.failure(outage, clock());
    println!("{}", breaker.state(clock()));
    if let Err(rejected) = breaker.try_acquire(clock()) {
        println!("{rejected}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program needs one clock")]
fn clock() -> Instant {
    Instant::now()
}
