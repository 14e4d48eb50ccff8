//! A service that is throttled, then times out, then answers: what each error means, what is waited, what is told.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{cell::Cell, fmt, time::Duration};

use fb_retry::{
    BudgetConfig, Class, Event, InvalidConfig, Policy, RetryBudget, RetryConfig, RetryPolicy, retry,
};

#[derive(Debug)]
enum Problem {
    Throttled(Duration),
    TimedOut,
    Forbidden,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), InvalidConfig> {
    let waits = RetryPolicy::new(RetryConfig { base: Duration::from_millis(20), ..RetryConfig::default() })?;
    let throttled = waits.clone().when(|problem: &Problem| match problem {
        Problem::Throttled(wait) => Class::after(*wait),
        Problem::TimedOut | Problem::Forbidden => false.into(),
    });
    let slow = waits.when(|problem: &Problem| matches!(problem, Problem::TimedOut));
    let policy = throttled.or(slow);
    let budget = RetryBudget::new(&BudgetConfig::default())?;

    for last in ["an answer", "a refusal"] {
        let tries = Cell::new(0);
        let service = async || {
            tries.set(tries.get() + 1);
            match tries.get() {
                1 => Err(Problem::Throttled(Duration::from_millis(50))),
                2 => Err(Problem::TimedOut),
                _ if last == "an answer" => Ok("hello"),
                _ => Err(Problem::Forbidden),
            }
        };
        let told = |event: Event<'_, Problem>| println!("  {event:?}");
        let result =
            retry(&policy, service).budget(&budget).within(Duration::from_secs(5)).on_event(told).await;
        println!("{result:?}");
    }
    Ok(())
}
