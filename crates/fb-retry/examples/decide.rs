//! The decision alone, for programs that sleep by themselves or not at all: the same failure under each jitter.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::time::Duration;

use fb_retry::{Ask, Decision, InvalidConfig, Jitter, Pace, RetryConfig, RetryPolicy};

fn main() -> Result<(), InvalidConfig> {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Proportional, Jitter::None] {
        let policy = RetryPolicy::new(RetryConfig { jitter, ..RetryConfig::default() })?;
        let mut last = Duration::ZERO;
        let mut waits = Vec::new();
        for (done, unit) in (0..).zip([0.3, 0.7, 0.5, 0.9, 0.1, 0.6, 0.8]) {
            match policy.decide(Ask { pace: Pace::Backoff, most: 6, done, last, hint: None, unit }) {
                Decision::After(wait) => {
                    last = wait;
                    waits.push(format!("{wait:.0?}"));
                }
                Decision::Stop(why) => waits.push(format!("{why:?}")),
            }
        }
        println!("{:13} {}", format!("{jitter:?}"), waits.join("  "));
    }
    Ok(())
}
