//! Permits by hand: a verdict, a future that is cancelled, and a stream that fails after it began.
//!
//! `cargo run -p fb-breaker --example permits`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    error::Error,
    future::pending,
    time::{Duration, Instant},
};

use fb_breaker::{Breaker, BreakerConfig, Weight};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = BreakerConfig { consecutive: Some(3), ..BreakerConfig::default() };
    let breaker = Breaker::new(config, clock)?;

    // A call that fails: how much of a failure it is, its caller decides.
    let permit = breaker.try_acquire(clock())?;
    permit.failure(Weight::FULL, clock());
    println!("failed:    {} in a row", breaker.consecutive_failures());

    // A call that nobody waits for any more says nothing, and gives its permit back.
    let never = breaker.call(pending::<Result<(), std::io::Error>>);
    let gave_up = tokio::time::timeout(Duration::from_millis(10), never).await.is_err();
    println!("cancelled: {gave_up}, {} permits outstanding", breaker.outstanding());

    // A stream is a success from its first output on, and may still fail.
    let tail = breaker.try_acquire(clock())?.provisional(clock());
    println!("streaming: {} in a row", breaker.consecutive_failures());
    tail.failure(Weight::FULL, clock());
    println!("cut off:   {} in a row", breaker.consecutive_failures());

    // A failure of which the target says how long it will last.
    let hint = Weight::FULL.with_hint(Duration::from_secs(60));
    for _ in 0..2 {
        breaker.try_acquire(clock())?.failure(hint, clock());
    }
    println!("{}", breaker.state(clock()));
    if let Err(rejected) = breaker.try_acquire(clock()) {
        println!("{rejected}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program has to read the time somewhere")]
fn clock() -> Instant {
    Instant::now()
}
