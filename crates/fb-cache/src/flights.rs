//! One call for all who ask the same at the same time.

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

/// More than this many different calls at one time mean that sharing is not what is wanting.
const MAX_FLIGHTS: usize = 10_000;

/// How calls are shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlightsConfig {
    /// Calls that are shared at one time; 10,000. Those above it run unshared. Zero shares none.
    pub max_flights: usize,
    /// What becomes of a call that nobody waits for any more; cancel.
    pub when_abandoned: WhenAbandoned,
}

impl Default for FlightsConfig {
    fn default() -> Self {
        Self { max_flights: MAX_FLIGHTS, when_abandoned: WhenAbandoned::default() }
    }
}

/// What becomes of a call that nobody waits for any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAbandoned {
    /// It is dropped.
    #[default]
    Cancel,
    /// It runs to its end, for what it stores and for those who come while it runs.
    Finish,
}

/// Why a flight gave no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlightError {
    /// The caller's own deadline passed; the call may go on for others.
    #[error("the deadline passed before the shared call ended")]
    Deadline,
    /// The call panicked, or its runtime was shut down.
    #[error("the shared call panicked")]
    Panicked,
}

/// What a caller had to do with the call that gave its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It made the call.
    Leader,
    /// It waited for another's.
    Follower,
    /// It made the call for itself alone, as too many were shared already.
    Alone,
}

/// What was shared since the flights were made, and what is in the air.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlightStats {
    /// Calls made.
    pub led: u64,
    /// Callers that waited for another's call.
    pub coalesced: u64,
    /// Calls made unshared because too many were in the air.
    pub alone: u64,
    /// Calls in the air now.
    pub in_flight: u64,
}

/// One call for all who ask for the same [`Key`] at the same time. A clone is another handle to the same flights.
///
/// A value goes to those who wait for it, and is then forgotten: to keep it, the call itself must store it, so that
/// there is no moment at which it is neither in the air nor stored. An error is a value like any other.
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
    /// `None` until the task is there.
    task: Option<AbortHandle>,
    landed: watch::Receiver<Option<T>>,
}

enum Boarding<T> {
    Leader(Seat<T>, Landing<T>),
    Follower(Seat<T>),
    /// The flight was abandoned and is about to end.
    Ending(watch::Receiver<Option<T>>),
    Full,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// No flights yet.
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

    /// Waits for the call of this key that is in the air, or makes it: `fill` runs in a task of its own, at most one of
    /// a key at a time, and all who wait get a clone of what it gives. With too many in the air it runs in the caller,
    /// whose panics are then its own.
    ///
    /// # Errors
    ///
    /// [`FlightError::Deadline`] when the caller's deadline passes first, [`FlightError::Panicked`] to everyone who
    /// waits when the call panics. The next caller makes a new call.
    ///
    /// # Cancel safety
    ///
    /// A caller that is dropped, the leader included, takes nothing from the others. When the last one has gone the
    /// call is dropped, too, or goes on, see [`WhenAbandoned`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time.
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
        let call = self.fly(key, fill);
        match deadline {
            None => call.await,
            Some(deadline) => match timeout_at(deadline, call).await {
                Ok(result) => result,
                Err(_elapsed) => Err(FlightError::Deadline),
            },
        }
    }

    /// What was shared, and what is in the air.
    pub fn stats(&self) -> FlightStats {
        let Shared { config: _, flights, led, coalesced, alone } = &*self.shared;
        let in_flight = flights.lock().len() as u64;
        FlightStats { led: led.get(), coalesced: coalesced.get(), alone: alone.get(), in_flight }
    }

    async fn fly<F, A>(&self, key: Key, fill: F) -> Result<(T, Role), FlightError>
    where
        F: FnOnce() -> A + Send + 'static,
        A: Future<Output = T> + Send + 'static,
    {
        loop {
            match self.board(key) {
                Boarding::Leader(seat, landing) => {
                    self.shared.led.add(1);
                    let task = async move { landing.land(fill().await) };
                    #[expect(clippy::disallowed_methods, reason = "the flight keeps the handle")]
                    seat.keep(tokio::spawn(task).abort_handle());
                    return Ok((seat.wait().await?, Role::Leader));
                }
                Boarding::Follower(seat) => {
                    self.shared.coalesced.add(1);
                    return Ok((seat.wait().await?, Role::Follower));
                }
                Boarding::Ending(mut landed) => while landed.changed().await.is_ok() {},
                Boarding::Full => {
                    self.shared.alone.add(1);
                    return Ok((fill().await, Role::Alone));
                }
            }
        }
    }

    fn board(&self, key: Key) -> Boarding<T> {
        let Shared { config, flights, .. } = &*self.shared;
        let seat = |landed| Seat { shared: Arc::clone(&self.shared), key, landed };
        let mut flights = flights.lock();
        if let Some(flight) = flights.get_mut(&key) {
            let landed = flight.landed.clone();
            if flight.waiters == 0 && config.when_abandoned == WhenAbandoned::Cancel {
                return Boarding::Ending(landed);
            }
            flight.waiters += 1;
            return Boarding::Follower(seat(landed));
        }
        if flights.len() >= config.max_flights {
            return Boarding::Full;
        }
        let (sender, landed) = watch::channel(None);
        flights.insert(key, Flight { waiters: 1, task: None, landed: landed.clone() });
        let landing = Landing { shared: Arc::clone(&self.shared), key, value: None, sender };
        Boarding::Leader(seat(landed), landing)
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

/// A caller that waits; dropping it leaves the flight.
struct Seat<T> {
    shared: Arc<Shared<T>>,
    key: Key,
    landed: watch::Receiver<Option<T>>,
}

impl<T: Clone> Seat<T> {
    async fn wait(mut self) -> Result<T, FlightError> {
        match self.landed.wait_for(Option::is_some).await {
            Ok(value) => value.clone().ok_or(FlightError::Panicked),
            Err(_no_landing) => Err(FlightError::Panicked),
        }
    }
}

impl<T> Seat<T> {
    fn keep(&self, task: AbortHandle) {
        self.with_flight(|flight| flight.task = Some(task));
    }

    /// The flight may have landed, and its key may be in the air anew.
    fn with_flight<R>(&self, act: impl FnOnce(&mut Flight<T>) -> R) -> Option<R> {
        let mut flights = self.shared.flights.lock();
        let flight = flights.get_mut(&self.key).filter(|flight| flight.landed.same_channel(&self.landed));
        flight.map(act)
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        let cancels = self.shared.config.when_abandoned == WhenAbandoned::Cancel;
        let abandoned = self.with_flight(|flight| {
            flight.waiters -= 1;
            flight.task.take_if(|_| cancels && flight.waiters == 0)
        });
        // Not under the lock: a runtime that shuts down drops the task at once, and that takes the lock.
        if let Some(Some(task)) = abandoned {
            task.abort();
        }
    }
}

/// The end of a flight, whichever: it frees the key first and then tells those who wait, so that none of them finds the
/// flight that it was just told of. Dropped without a value (a panic, an abort) it tells them that there is none.
struct Landing<T> {
    shared: Arc<Shared<T>>,
    key: Key,
    value: Option<T>,
    sender: watch::Sender<Option<T>>,
}

impl<T> Landing<T> {
    fn land(mut self, value: T) {
        self.value = Some(value);
    }
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        let _flight = self.shared.flights.lock().remove(&self.key);
        if let Some(value) = self.value.take() {
            self.sender.send_replace(Some(value));
        }
    }
}

#[cfg(test)]
mod tests;
