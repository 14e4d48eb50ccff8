//! Random callers that arrive, leave and wait, in virtual time.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::key;
use crate::{FlightError, Flights, FlightsConfig, Role, WhenAbandoned};

/// A random caller, with times in milliseconds.
#[derive(Debug, Clone)]
struct Caller {
    key: usize,
    arrives: u64,
    /// The time after which the caller is dropped if it still waits.
    leaves_after: Option<u64>,
    deadline: Option<u64>,
    takes: u64,
    panics: bool,
}

/// The number of running calls per key, and its maximum.
#[derive(Debug, Default)]
struct Running {
    now: [usize; 2],
    max: usize,
}

struct Call(usize, Arc<Mutex<Running>>);

impl Call {
    fn start(key: usize, running: &Arc<Mutex<Running>>) -> Self {
        let mut state = running.lock();
        state.now[key] += 1;
        state.max = state.max.max(state.now[key]);
        Self(key, Arc::clone(running))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.1.lock().now[self.0] -= 1;
    }
}

fn caller() -> impl Strategy<Value = Caller> {
    let times = (0_u64..40, prop::option::of(0_u64..30), prop::option::of(0_u64..30), 0_u64..30);
    (0_usize..2, times, prop::bool::weighted(0.1)).prop_map(
        |(key, (arrives, leaves_after, deadline, takes), panics)| Caller {
            key,
            arrives,
            leaves_after,
            deadline,
            takes,
            panics,
        },
    )
}

type Outcome = Option<Result<(usize, Role), FlightError>>;

async fn run_caller(caller: Caller, flights: Flights<usize>, running: Arc<Mutex<Running>>) -> Outcome {
    let Caller { key: field, arrives, leaves_after, deadline, takes, panics } = caller;
    sleep(Duration::from_millis(arrives)).await;
    let deadline = deadline.map(|after| Instant::now() + Duration::from_millis(after));
    let call = flights.run(key(&field.to_string()), deadline, move || {
        let call = Call::start(field, &running);
        async move {
            sleep(Duration::from_millis(takes)).await;
            assert!(!panics, "as intended");
            drop(call);
            field
        }
    });
    match leaves_after {
        None => Some(call.await),
        Some(after) => timeout(Duration::from_millis(after), call).await.ok(),
    }
}

proptest! {
    #[test]
    fn remaining_callers_get_the_value_of_one_call(
        callers in prop::collection::vec(caller(), 1..12),
        finish in any::<bool>(),
    ) {
        let when_abandoned = if finish { WhenAbandoned::Finish } else { WhenAbandoned::Cancel };
        let flights = Flights::new(FlightsConfig { when_abandoned, ..FlightsConfig::default() });
        let running = Arc::new(Mutex::new(Running::default()));
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let outarrives = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (at, caller) in callers.iter().cloned().enumerate() {
                let call = run_caller(caller, flights.clone(), Arc::clone(&running));
                tasks.spawn(async move { (at, call.await) });
            }
            let mut outarrives = tasks.join_all().await;
            outarrives.sort_unstable_by_key(|(at, _)| *at);
            sleep(Duration::from_secs(1)).await;
            outarrives
        });
        let can_panic = |key| callers.iter().any(|it| it.key == key && it.panics);
        for (caller, (_, outcome)) in callers.iter().zip(outarrives) {
            match outcome {
                Some(Ok((value, _))) => prop_assert_eq!(value, caller.key),
                Some(Err(FlightError::Panicked)) => prop_assert!(can_panic(caller.key)),
                Some(Err(FlightError::Deadline)) => prop_assert!(caller.deadline.is_some()),
                None => prop_assert!(caller.leaves_after.is_some()),
            }
        }
        let stats = flights.stats();
        prop_assert!(running.lock().max <= 1);
        prop_assert_eq!((running.lock().now, stats.in_flight), ([0, 0], 0));
    }
}
