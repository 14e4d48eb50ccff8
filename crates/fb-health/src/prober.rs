//! The prober: a background task that checks endpoints. It is the only asynchronous part of this crate.

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
    fleet::{Fleet, SharedEndpoint},
};

type PendingCheck = Pin<Box<dyn Future<Output = Check> + Send>>;
type CheckFn = Box<dyn Fn(&str) -> PendingCheck + Send + Sync>;

/// Checks the endpoints of a fleet in the background, each at its own interval and never twice at once, until it is
/// shut down or dropped.
///
/// # Examples
///
/// ```
/// use fb_health::{Check, Condition, Fleet, HealthConfig, Prober};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fb_core::InvalidConfig> {
/// let fleet = Fleet::new(HealthConfig::default())?;
/// let target = fleet.join("cloud/large", "cloud", "chat", std::time::Instant::now());
/// let prober = Prober::start(&fleet, |_endpoint| async { Check::Passed });
/// for _ in 0..2 {
///     prober.check_now().await;
/// }
/// assert_eq!(target.condition(std::time::Instant::now()), Condition::Healthy);
/// prober.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Prober {
    requests: mpsc::Sender<oneshot::Sender<()>>,
    task: JoinSet<()>,
}

impl Prober {
    /// Starts the background task. `check` receives the name of an endpoint and returns the future of its check.
    ///
    /// A check should cost nothing at the provider, unless the endpoint's [`ProbeKind`](crate::ProbeKind) permits it. It is dropped and counts as failed when it exceeds its timeout, and
    /// a check that panics counts as failed too.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with an enabled timer.
    pub fn start<F>(fleet: &Fleet, check: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Check> + Send + 'static,
    {
        let (requests, receiver) = mpsc::channel(1);
        let probe_loop = ProbeLoop {
            fleet: fleet.clone(),
            check: Box::new(move |endpoint| Box::pin(check(endpoint))),
            checks: JoinSet::new(),
            in_flight: BTreeMap::new(),
            requested: BTreeSet::new(),
            waiters: Vec::new(),
        };
        let mut task = JoinSet::new();
        task.spawn(probe_loop.run(receiver));
        Self { requests, task }
    }

    /// Checks every endpoint now and returns when all checks have ended. A check that is already in flight is not
    /// repeated, and neither is a billed one ([`ProbeKind::Completion`](crate::ProbeKind::Completion)) within its interval.
    ///
    /// # Cancel safety
    /// Dropping the future stops the wait but not the checks.
    pub async fn check_now(&self) {
        let (done, wait) = oneshot::channel();
        if self.requests.send(done).await.is_ok() {
            // An error means that the task has ended, and no further check will run.
            let _ended = wait.await;
        }
    }

    /// Stops the background task. Checks in flight are dropped without a result.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the task at once.
    pub async fn shutdown(self) {
        let Self { requests, mut task } = self;
        drop(requests);
        while task.join_next().await.is_some() {}
    }
}

struct ProbeLoop {
    fleet: Fleet,
    check: CheckFn,
    checks: JoinSet<Check>,
    /// The endpoints of the running checks.
    in_flight: BTreeMap<Id, Arc<SharedEndpoint>>,
    /// Endpoints to check whether they are due or not.
    requested: BTreeSet<Arc<str>>,
    /// Callers of `check_now`, each with the endpoints that it still waits for.
    waiters: Vec<(BTreeSet<Arc<str>>, oneshot::Sender<()>)>,
}

impl ProbeLoop {
    async fn run(mut self, mut requests: mpsc::Receiver<oneshot::Sender<()>>) {
        loop {
            let wake = self.start_due_checks(now());
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(done) => self.request_all(done),
                    None => return,
                },
                Some(ended) = self.checks.join_next_with_id(), if !self.checks.is_empty() => self.finish(ended),
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Starts checks of due endpoints within the concurrency limit, and returns the time of the next iteration.
    fn start_due_checks(&mut self, now: Instant) -> Instant {
        let fleet = self.fleet.config().probe.clone();
        // This also bounds the time until a new endpoint is noticed.
        let mut wake = now + fleet.interval.min(fleet.unhealthy_interval);
        for endpoint in self.fleet.endpoints() {
            let config = endpoint.config();
            let is_full = self.checks.len() >= fleet.concurrency as usize;
            if is_full || self.in_flight.values().any(|other| other.name == endpoint.name) {
                continue;
            }
            let due = self.fleet.due(&endpoint, now);
            if self.requested.contains(&endpoint.name) || (config.enabled && due <= now) {
                self.requested.remove(&endpoint.name);
                if let Err(next) = endpoint.begin_check(now) {
                    // Another prober began a billed check within the interval: its result stands.
                    wake = wake.min(next);
                    self.notify_waiters(Some(&endpoint.name));
                    continue;
                }
                let check = (self.check)(&endpoint.name);
                let limit = endpoint.probe_timeout();
                let task = self.checks.spawn(async move {
                    let timed_out = |_elapsed| Check::Failed(format!("no answer within {limit:?}"));
                    timeout(limit, check).await.unwrap_or_else(timed_out)
                });
                self.in_flight.insert(task.id(), endpoint);
            } else if config.enabled {
                wake = wake.min(due);
            }
        }
        wake
    }

    fn request_all(&mut self, done: oneshot::Sender<()>) {
        let all = self.endpoint_names();
        let in_flight: BTreeSet<&Arc<str>> = self.in_flight.values().map(|endpoint| &endpoint.name).collect();
        self.requested.extend(all.iter().filter(|name| !in_flight.contains(name)).cloned());
        self.waiters.push((all, done));
        self.notify_waiters(None);
    }

    fn finish(&mut self, ended: Result<(Id, Check), JoinError>) {
        let (id, result) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Check::Failed("the check panicked".to_owned())),
        };
        if let Some(endpoint) = self.in_flight.remove(&id) {
            self.fleet.record_check_of(&endpoint, result, now());
            self.notify_waiters(Some(&endpoint.name));
        }
    }

    /// Notifies waiters without remaining endpoints. An endpoint that has left the fleet does not remain.
    fn notify_waiters(&mut self, checked: Option<&Arc<str>>) {
        let existing = self.endpoint_names();
        for (pending, done) in std::mem::take(&mut self.waiters) {
            let remaining: BTreeSet<_> =
                pending.into_iter().filter(|name| Some(name) != checked && existing.contains(name)).collect();
            if remaining.is_empty() {
                // An error means that the caller has stopped waiting.
                let _gone = done.send(());
            } else {
                self.waiters.push((remaining, done));
            }
        }
    }

    fn endpoint_names(&self) -> BTreeSet<Arc<str>> {
        self.fleet.endpoints().iter().map(|endpoint| Arc::clone(&endpoint.name)).collect()
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
