//! Random callers that come, go and wait, over virtual time.

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

/// In milliseconds.
#[derive(Debug, Clone)]
struct Caller {
    key: usize,
    comes: u64,
    /// It is dropped after so long, if it still waits.
    goes: Option<u64>,
    deadline: Option<u64>,
    takes: u64,
    panics: bool,
}

/// How many calls of each key are running; more than one is remembered.
#[derive(Debug, Default)]
struct Running {
    now: [usize; 2],
    most: usize,
}

struct Call(usize, Arc<Mutex<Running>>);

impl Call {
    fn begin(key: usize, running: &Arc<Mutex<Running>>) -> Self {
        let mut state = running.lock();
        state.now[key] += 1;
        state.most = state.most.max(state.now[key]);
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
        |(key, (comes, goes, deadline, takes), panics)| Caller { key, comes, goes, deadline, takes, panics },
    )
}

type Outcome = Option<Result<(usize, Role), FlightError>>;

async fn ask(caller: Caller, flights: Flights<usize>, running: Arc<Mutex<Running>>) -> Outcome {
    let Caller { key: of, comes, goes, deadline, takes, panics } = caller;
    sleep(Duration::from_millis(comes)).await;
    let deadline = deadline.map(|after| Instant::now() + Duration::from_millis(after));
    let call = flights.run(key(&of.to_string()), deadline, move || {
        let call = Call::begin(of, &running);
        async move {
            sleep(Duration::from_millis(takes)).await;
            assert!(!panics, "as intended");
            drop(call);
            of
        }
    });
    match goes {
        None => Some(call.await),
        Some(after) => timeout(Duration::from_millis(after), call).await.ok(),
    }
}

proptest! {
    #[test]
    fn whoever_stays_gets_the_value_of_the_one_call(
        callers in prop::collection::vec(caller(), 1..12),
        finish in any::<bool>(),
    ) {
        let when_abandoned = if finish { WhenAbandoned::Finish } else { WhenAbandoned::Cancel };
        let flights = Flights::new(FlightsConfig { when_abandoned, ..FlightsConfig::default() });
        let running = Arc::new(Mutex::new(Running::default()));
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let outcomes = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (at, caller) in callers.iter().cloned().enumerate() {
                let call = ask(caller, flights.clone(), Arc::clone(&running));
                tasks.spawn(async move { (at, call.await) });
            }
            let mut outcomes = tasks.join_all().await;
            outcomes.sort_unstable_by_key(|(at, _)| *at);
            sleep(Duration::from_secs(1)).await;
            outcomes
        });
        let can_panic = |key| callers.iter().any(|it| it.key == key && it.panics);
        for (caller, (_, outcome)) in callers.iter().zip(outcomes) {
            match outcome {
                Some(Ok((value, _))) => prop_assert_eq!(value, caller.key),
                Some(Err(FlightError::Panicked)) => prop_assert!(can_panic(caller.key)),
                Some(Err(FlightError::Deadline)) => prop_assert!(caller.deadline.is_some()),
                None => prop_assert!(caller.goes.is_some()),
            }
        }
        let stats = flights.stats();
        prop_assert!(running.lock().most <= 1);
        prop_assert_eq!((running.lock().now, stats.in_flight), ([0, 0], 0));
    }
}
