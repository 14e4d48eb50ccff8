//! The task that asks endpoints how they are: the one place here that waits.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Instant,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinError, JoinSet},
    time::{sleep_until, timeout},
};

use crate::{
    endpoint::Check,
    fleet::{Fleet, Place},
};

type Asking = Pin<Box<dyn Future<Output = Check> + Send>>;

/// Asks the endpoints of a fleet how they are, each in its own time and never twice at once, until it is shut down or
/// dropped.
#[derive(Debug)]
pub struct Prober {
    wishes: mpsc::Sender<oneshot::Sender<()>>,
    task: JoinSet<()>,
}

impl Prober {
    /// Starts to ask. `ask` is given an endpoint's name; what it does should cost nothing, and one that exceeds its time
    /// is dropped and has failed.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer on.
    pub fn start<F>(fleet: &Fleet, ask: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Check> + Send + 'static,
    {
        let (wishes, wished) = mpsc::channel(1);
        let round = Round {
            fleet: fleet.clone(),
            ask: Box::new(move |endpoint| Box::pin(ask(endpoint))),
            flights: JoinSet::new(),
            flying: BTreeMap::new(),
            queue: BTreeSet::new(),
            waiting: Vec::new(),
        };
        let mut task = JoinSet::new();
        task.spawn(round.run(wished));
        Self { wishes, task }
    }

    /// Asks every endpoint now and returns when all have answered or had their time. One that is being asked already is
    /// not asked again.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting, not the asking.
    pub async fn check_now(&self) {
        let (done, wait) = oneshot::channel();
        if self.wishes.send(done).await.is_ok() {
            // An error is the task's end, and then nobody will be asked.
            let _ended = wait.await;
        }
    }

    /// Stops; questions in flight are dropped, and say nothing.
    pub async fn shutdown(self) {
        let Self { wishes, mut task } = self;
        drop(wishes);
        while task.join_next().await.is_some() {}
    }
}

struct Round {
    fleet: Fleet,
    ask: Box<dyn Fn(&str) -> Asking + Send + Sync>,
    flights: JoinSet<Check>,
    flying: BTreeMap<Id, Arc<Place>>,
    /// Endpoints to ask whether they are due or not.
    queue: BTreeSet<Arc<str>>,
    /// Who waits for which endpoints.
    waiting: Vec<(BTreeSet<Arc<str>>, oneshot::Sender<()>)>,
}

impl Round {
    async fn run(mut self, mut wishes: mpsc::Receiver<oneshot::Sender<()>>) {
        loop {
            let wake = self.begin_due(now());
            tokio::select! {
                biased;
                wish = wishes.recv() => match wish {
                    Some(done) => self.wish(done),
                    None => return,
                },
                Some(ended) = self.flights.join_next_with_id(), if !self.flights.is_empty() => self.end(ended),
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Asks who is due, as far as there is room, and says when to look again.
    fn begin_due(&mut self, now: Instant) -> Instant {
        let fleet = &self.fleet.config().probe;
        // Also the longest a new endpoint goes unseen.
        let mut wake = now + fleet.interval.min(fleet.unhealthy_interval);
        for place in self.fleet.places() {
            let config = &place.config;
            let full = self.flights.len() >= fleet.concurrency as usize;
            if full || self.flying.values().any(|flying| flying.name == place.name) {
                continue;
            }
            let due = self.fleet.due(&place, now);
            if self.queue.contains(&place.name) || (config.enabled && due <= now) {
                self.queue.remove(&place.name);
                let question = (self.ask)(&place.name);
                let longest = config.timeout.min(config.interval);
                let flight = self.flights.spawn(async move {
                    let late = |_late| Check::Failed(format!("no answer within {longest:?}"));
                    timeout(longest, question).await.unwrap_or_else(late)
                });
                self.flying.insert(flight.id(), place);
            } else if config.enabled {
                wake = wake.min(due);
            }
        }
        wake
    }

    fn wish(&mut self, done: oneshot::Sender<()>) {
        let all: BTreeSet<Arc<str>> =
            self.fleet.places().iter().map(|place| Arc::clone(&place.name)).collect();
        let flying: BTreeSet<&Arc<str>> = self.flying.values().map(|place| &place.name).collect();
        self.queue.extend(all.iter().filter(|name| !flying.contains(name)).cloned());
        self.waiting.push((all, done));
        self.tell(None);
    }

    fn end(&mut self, ended: Result<(Id, Check), JoinError>) {
        let (id, found) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Check::Failed("the check panicked".to_owned())),
        };
        if let Some(place) = self.flying.remove(&id) {
            self.fleet.record_at(&place, found, now());
            self.tell(Some(&place.name));
        }
    }

    /// Tells those who wait for nobody any more; also when an endpoint they waited for has left meanwhile.
    fn tell(&mut self, answered: Option<&Arc<str>>) {
        let there: BTreeSet<Arc<str>> =
            self.fleet.places().iter().map(|place| Arc::clone(&place.name)).collect();
        for (open, done) in std::mem::take(&mut self.waiting) {
            let left: BTreeSet<_> =
                open.into_iter().filter(|name| Some(name) != answered && there.contains(name)).collect();
            if left.is_empty() {
                // Whoever stopped waiting needs no telling.
                let _gone = done.send(());
            } else {
                self.waiting.push((left, done));
            }
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
