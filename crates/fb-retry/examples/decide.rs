//! The decision alone, for programs that wait by themselves: the same failure with every jitter.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::time::Duration;

use fb_retry::{Decision, InvalidConfig, Jitter, Pace, RetryConfig, RetryContext, RetryPolicy};

fn main() -> Result<(), InvalidConfig> {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Proportional, Jitter::None] {
        let policy = RetryPolicy::new(RetryConfig::with(|config| config.jitter = jitter))?;
        let mut last_wait = Duration::ZERO;
        let mut waits = Vec::new();
        for (retries, random) in (0..).zip([0.3, 0.7, 0.5, 0.9, 0.1, 0.6, 0.8]) {
            match policy.decide(RetryContext {
                pace: Pace::Backoff,
                max_retries: 6,
                retries,
                last_wait,
                retry_after: None,
                random,
            }) {
                Decision::After(wait) => {
                    last_wait = wait;
                    waits.push(format!("{wait:.0?}"));
                }
                Decision::Stop(reason) => waits.push(format!("{reason:?}")),
            }
        }
        println!("{:13} {}", format!("{jitter:?}"), waits.join("  "));
    }
    Ok(())
}
