//! A service that throttles, then times out, then answers: classification, waits and events.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{cell::Cell, fmt, time::Duration};

use fb_retry::{
    BudgetConfig, Class, Event, InvalidConfig, Policy, RetryBudget, RetryConfig, RetryPolicy, retry,
};

#[derive(Debug)]
enum ServiceError {
    Throttled(Duration),
    TimedOut,
    Forbidden,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), InvalidConfig> {
    let waits = RetryPolicy::new(RetryConfig::with(|config| config.base = Duration::from_millis(20)))?;
    let throttled = waits.clone().when(|error: &ServiceError| match error {
        ServiceError::Throttled(wait) => Class::after(*wait),
        ServiceError::TimedOut | ServiceError::Forbidden => false.into(),
    });
    let slow = waits.when(|error: &ServiceError| matches!(error, ServiceError::TimedOut));
    let policy = throttled.or(slow);
    let budget = RetryBudget::new(&BudgetConfig::default())?;

    for last in ["an answer", "a refusal"] {
        let attempts = Cell::new(0);
        let service = async || {
            attempts.set(attempts.get() + 1);
            match attempts.get() {
                1 => Err(ServiceError::Throttled(Duration::from_millis(50))),
                2 => Err(ServiceError::TimedOut),
                _ if last == "an answer" => Ok("hello"),
                _ => Err(ServiceError::Forbidden),
            }
        };
        let listener = |event: Event<'_, ServiceError>| println!("  {event:?}");
        let result =
            retry(&policy, service).budget(&budget).within(Duration::from_secs(5)).on_event(listener).await;
        println!("{result:?}");
    }
    Ok(())
}
