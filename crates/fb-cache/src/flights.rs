//! Single flights: concurrent callers of one key share one call.

use std::{collections::HashMap, fmt, future::Future, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use crate::{
    key::{Key, KeyHasher},
    stats::Counter,
};

/// With more different calls at the same time, sharing would hardly help.
const MAX_FLIGHTS: usize = 10_000;

/// The settings of single flights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FlightsConfig {
    /// The maximum number of shared calls in flight. Further calls run unshared. Zero disables sharing. Defaults to
    /// 10,000.
    pub max_flights: usize,
    /// The treatment of a call without remaining waiters; cancel.
    pub when_abandoned: WhenAbandoned,
}

impl Default for FlightsConfig {
    fn default() -> Self {
        Self { max_flights: MAX_FLIGHTS, when_abandoned: WhenAbandoned::default() }
    }
}

/// The treatment of a call without remaining waiters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenAbandoned {
    /// The call is dropped.
    #[default]
    Cancel,
    /// The call runs to its end, for the value that it stores and for callers that join it meanwhile.
    Finish,
}

/// An error of a shared call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlightError {
    /// The caller's own deadline passed; the call may continue for other callers.
    #[error("the deadline passed before the shared call ended")]
    Deadline,
    /// The call panicked, or its runtime was shut down.
    #[error("the shared call panicked")]
    Panicked,
}

/// The role of a caller in the call that produced its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The caller started the call.
    Leader,
    /// The caller joined a call in flight.
    Follower,
    /// The caller made an unshared call, because too many calls were in flight.
    Alone,
}

/// The number of shared calls since creation, and of calls in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlightStats {
    /// Shared calls started.
    pub led: u64,
    /// Callers that joined a call in flight.
    pub coalesced: u64,
    /// Unshared calls, made because too many calls were in flight.
    pub alone: u64,
    /// Shared calls in flight now.
    pub in_flight: u64,
}

/// Single flights: concurrent callers of the same [`Key`] share one call. A clone is a handle to the same flights.
///
/// A value goes to the callers that wait for it and is then dropped. To keep it, the call itself must store it, so that
/// there is no moment at which it is neither in flight nor stored. An error is a value like any other.
///
/// # Examples
///
/// ```
/// use fb_cache::{Flights, FlightsConfig, KeyBuilder, Role};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fb_cache::FlightError> {
/// let flights = Flights::new(FlightsConfig::default());
/// let key = KeyBuilder::new("page v1").part("tenant", "acme").finish();
/// let call = || flights.run(key, None, async || 7);
/// let (first, second) = tokio::join!(call(), call());
/// assert_eq!((first?, second?), ((7, Role::Leader), (7, Role::Follower)));
/// # Ok(())
/// # }
/// ```
pub struct Flights<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    config: FlightsConfig,
    flights: Mutex<HashMap<Key, Flight<T>, KeyHasher>>,
    led: Counter,
    coalesced: Counter,
    alone: Counter,
}

struct Flight<T> {
    waiters: usize,
    /// `None` until the task is spawned.
    task: Option<AbortHandle>,
    result: watch::Receiver<Option<T>>,
}

enum Joined<T> {
    Leader(Waiter<T>, Completion<T>),
    Follower(Waiter<T>),
    /// The call of the key was abandoned and is about to end.
    Ending(watch::Receiver<Option<T>>),
    Full,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Creates an empty set of flights.
    pub fn new(config: FlightsConfig) -> Self {
        let shared = Shared {
            config,
            flights: Mutex::default(),
            led: Counter::default(),
            coalesced: Counter::default(),
            alone: Counter::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Joins the call of this key that is in flight, or starts one.
    ///
    /// `fill` runs in a task of its own, at most one per key at a time, and all waiting callers receive a clone of its
    /// value. If too many calls are in flight, `fill` runs in the caller, and its panics propagate to the caller.
    ///
    /// # Errors
    ///
    /// Returns [`FlightError::Deadline`] if the caller's deadline passes first, and [`FlightError::Panicked`] to all
    /// waiting callers if the call panics. The next caller starts a new call.
    ///
    /// # Cancel safety
    ///
    /// Dropping a caller, even the leader, does not affect the others. Once all callers are dropped, the call is
    /// dropped too or continues, depending on [`WhenAbandoned`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with an enabled timer.
    pub async fn run<F, A>(
        &self,
        key: Key,
        deadline: Option<Instant>,
        fill: F,
    ) -> Result<(T, Role), FlightError>
    where
        F: FnOnce() -> A + Send + 'static,
        A: Future<Output = T> + Send + 'static,
    {
        let call = self.run_shared(key, fill);
        match deadline {
            None => call.await,
            Some(deadline) => match timeout_at(deadline, call).await {
                Ok(result) => result,
                Err(_elapsed) => Err(FlightError::Deadline),
            },
        }
    }

    /// Returns the statistics of the flights.
    pub fn stats(&self) -> FlightStats {
        let Shared { config: _, flights, led, coalesced, alone } = &*self.shared;
        let in_flight = flights.lock().len() as u64;
        FlightStats { led: led.get(), coalesced: coalesced.get(), alone: alone.get(), in_flight }
    }

    async fn run_shared<F, A>(&self, key: Key, fill: F) -> Result<(T, Role), FlightError>
    where
        F: FnOnce() -> A + Send + 'static,
        A: Future<Output = T> + Send + 'static,
    {
        loop {
            match self.join(key) {
                Joined::Leader(waiter, completion) => {
                    self.shared.led.add(1);
                    let task = async move { completion.complete(fill().await) };
                    #[expect(clippy::disallowed_methods, reason = "the flight keeps the handle")]
                    waiter.set_task(tokio::spawn(task).abort_handle());
                    return Ok((waiter.wait().await?, Role::Leader));
                }
                Joined::Follower(waiter) => {
                    self.shared.coalesced.add(1);
                    return Ok((waiter.wait().await?, Role::Follower));
                }
                Joined::Ending(mut result) => while result.changed().await.is_ok() {},
                Joined::Full => {
                    self.shared.alone.add(1);
                    return Ok((fill().await, Role::Alone));
                }
            }
        }
    }

    fn join(&self, key: Key) -> Joined<T> {
        let Shared { config, flights, .. } = &*self.shared;
        let waiter = |result| Waiter { shared: Arc::clone(&self.shared), key, result };
        let mut flights = flights.lock();
        if let Some(flight) = flights.get_mut(&key) {
            let result = flight.result.clone();
            if flight.waiters == 0 && config.when_abandoned == WhenAbandoned::Cancel {
                return Joined::Ending(result);
            }
            flight.waiters += 1;
            return Joined::Follower(waiter(result));
        }
        if flights.len() >= config.max_flights {
            return Joined::Full;
        }
        let (sender, result) = watch::channel(None);
        flights.insert(key, Flight { waiters: 1, task: None, result: result.clone() });
        let completion = Completion { shared: Arc::clone(&self.shared), key, value: None, sender };
        Joined::Leader(waiter(result), completion)
    }
}

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// A waiting caller; dropping it leaves the flight.
struct Waiter<T> {
    shared: Arc<Shared<T>>,
    key: Key,
    result: watch::Receiver<Option<T>>,
}

impl<T: Clone> Waiter<T> {
    async fn wait(mut self) -> Result<T, FlightError> {
        match self.result.wait_for(Option::is_some).await {
            Ok(value) => value.clone().ok_or(FlightError::Panicked),
            Err(_closed) => Err(FlightError::Panicked),
        }
    }
}

impl<T> Waiter<T> {
    fn set_task(&self, task: AbortHandle) {
        self.with_flight(|flight| flight.task = Some(task));
    }

    /// Calls `act` with the flight of this waiter, unless it has ended; the key may belong to a newer flight then.
    fn with_flight<R>(&self, act: impl FnOnce(&mut Flight<T>) -> R) -> Option<R> {
        let mut flights = self.shared.flights.lock();
        let flight = flights.get_mut(&self.key).filter(|flight| flight.result.same_channel(&self.result));
        flight.map(act)
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let cancels = self.shared.config.when_abandoned == WhenAbandoned::Cancel;
        let abandoned = self.with_flight(|flight| {
            flight.waiters -= 1;
            flight.task.take_if(|_| cancels && flight.waiters == 0)
        });
        // Abort without the lock: a runtime in shutdown drops the task at once, which takes the lock.
        if let Some(Some(task)) = abandoned {
            task.abort();
        }
    }
}

/// The completion of a flight. Dropping it frees the key first and notifies the waiters after that, so that no notified
/// waiter can join the same flight again. Dropped without a value (after a panic or abort), it closes the channel.
struct Completion<T> {
    shared: Arc<Shared<T>>,
    key: Key,
    value: Option<T>,
    sender: watch::Sender<Option<T>>,
}

impl<T> Completion<T> {
    fn complete(mut self, value: T) {
        self.value = Some(value);
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        let _flight = self.shared.flights.lock().remove(&self.key);
        if let Some(value) = self.value.take() {
            self.sender.send_replace(Some(value));
        }
    }
}

crate::with::with_changes!(FlightsConfig);

#[cfg(test)]
mod tests;
