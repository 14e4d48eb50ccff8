use std::{fmt, sync::Arc, time::Duration};

use fb_breaker::Breaker;
use fb_budget::{AccountStats, Standing};
use fb_cache::{Purge, Stats as CacheStats};
use fb_core::{ChatRequest, Eligibility, Level, RequestId, TargetId};
use fb_health::{Prober, Status as HealthStatus};

use crate::{
    Answer, Builder, ChatStream, Destination, Error, Plan, Record, RouteLevel, Stats,
    engine::{Engine, Mode, Opened, now},
};

/// The whole stack behind one handle; cheap to clone, all clones share breakers and statistics.
#[derive(Clone)]
pub struct Client {
    engine: Arc<Engine>,
}

impl Client {
    /// Begins to collect providers and routes.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine: Arc::new(engine) }
    }

    /// Answers with a whole reply: targets of the request's route are tried until one answers, the deadline is
    /// over, or a block or a mistake of the caller ends it.
    ///
    /// # Errors
    /// See [`Error`]; every error that saw a target carries the report.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the upstream call; no permit stays taken, and no breaker hears of it.
    pub async fn chat(&self, request: ChatRequest) -> Result<Answer, Error> {
        match self.engine.serve(&request, Mode::Plain).await? {
            Opened::Plain(answer) => Ok(*answer),
            Opened::Stream(stream) => stream.collect().await,
        }
    }

    /// Answers with a stream, once its first output is there: until then failures are survived as in
    /// [`Client::chat`], after it they end the stream with [`Error::Interrupted`].
    ///
    /// # Errors
    /// See [`Error`]; every error that saw a target carries the report.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream cancels the upstream call; no permit stays taken.
    pub async fn stream(&self, request: ChatRequest) -> Result<ChatStream, Error> {
        match self.engine.serve(&request, Mode::Stream).await? {
            Opened::Plain(answer) => Ok(ChatStream::of(*answer)),
            Opened::Stream(stream) => Ok(*stream),
        }
    }

    /// Counts per target since the client was built.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Every target and whether it may be called now, in order of name.
    pub fn targets(&self) -> Vec<(TargetId, Eligibility)> {
        self.engine.eligibility()
    }

    /// Every target and its circuit breaker, in order of name: to look at, to force open or closed, to reset.
    pub fn breakers(&self) -> Vec<(TargetId, Breaker)> {
        self.engine.breakers()
    }

    /// How every target fares, in order of name.
    pub fn health(&self) -> Vec<(TargetId, HealthStatus)> {
        self.engine.health()
    }

    /// The share of every target's answers that passed the quality gates, 0 to 1, in order of name: an answer counts half
    /// after ten minutes, and 1.0 is the score where none was looked at.
    pub fn quality(&self) -> Vec<(TargetId, f64)> {
        self.engine.quality()
    }

    /// The targets that may be called now, in order of name.
    pub fn healthy_targets(&self) -> Vec<TargetId> {
        let usable = |(id, eligibility): (TargetId, Eligibility)| eligibility.is_usable().then_some(id);
        self.targets().into_iter().filter_map(usable).collect()
    }

    /// Starts to ask providers in the background how they are, with questions that cost nothing, until the prober is
    /// shut down or dropped. Without it targets are judged by the calls made anyway.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its timer on.
    #[must_use = "a prober that is dropped stops"]
    pub fn probe(&self) -> Prober {
        self.engine.probe()
    }

    /// Asks every provider once how it is, and returns when all have answered or had their time. While a
    /// [prober](Self::probe) runs, its own `check_now` does the same without asking twice.
    ///
    /// # Cancel safety
    /// Dropping the future drops the questions.
    pub async fn check_now(&self) {
        let prober = self.probe();
        prober.check_now().await;
        prober.shutdown().await;
    }

    /// The route that a request goes to, and the class that sends it there.
    ///
    /// # Errors
    /// As [`Client::plan`].
    pub fn destination(&self, request: &ChatRequest) -> Result<Destination, Error> {
        self.engine.destination(request)
    }

    /// How the targets of a request would be tried now: in which order, why, and who is refused, by the router or by
    /// its adapter. Asks nobody, and takes nobody's turn.
    ///
    /// # Errors
    /// When the request names no route, or prefers a target that does not exist.
    pub fn plan(&self, request: &ChatRequest) -> Result<Plan, Error> {
        self.engine.plan(request)
    }

    /// Moves the weights of a route's targets halfway to the share of calls that each answered, and returns them: in
    /// all 1, none below 0.01. `None` if there is no such route.
    pub fn adjust_weights(&self, route: &str) -> Option<Vec<(TargetId, f64)>> {
        self.engine.adjust_weights(route)
    }

    /// What was decided for a request, and why, by the id in its [report](fb_core::Report); `None` when it is not
    /// remembered any more, or runs still.
    pub fn trace(&self, id: RequestId) -> Option<Arc<Record>> {
        self.engine.trace(id)
    }

    /// The same of the latest requests, the newest first.
    pub fn traces(&self, most: usize) -> Vec<Arc<Record>> {
        self.engine.traces(most)
    }

    /// What each tenant used and how near it is to its limits, by name; empty where no tenant has limits.
    pub fn tenants(&self) -> Vec<(String, AccountStats, Standing)> {
        self.engine.tenants()
    }

    /// Why what tenants spent cannot be written to the ledger now; calls go on, and it is tried again.
    pub fn ledger_failure(&self) -> Option<String> {
        self.engine.ledger_failure()
    }

    /// The level at which the requests of every route begin, in order of name.
    pub fn levels(&self) -> Vec<RouteLevel> {
        self.engine.levels()
    }

    /// Decides at which level the requests of a route begin, or those of all routes; for so long, or until it is decided
    /// anew. `None` leaves it to the route. Whether there is such a route.
    pub fn set_level(&self, route: Option<&str>, decision: Option<(Level, Option<Duration>)>) -> bool {
        self.engine.set_level(route, decision)
    }

    /// What the cache of answers has done and holds.
    pub fn cache_stats(&self) -> CacheStats {
        self.engine.cache().stats()
    }

    /// Throws answers out of the cache, and says how many that were. Looks at every entry.
    pub fn purge_cache(&self, purge: &Purge) -> u64 {
        self.engine.cache().purge(purge, now())
    }

    /// Every name that `model` may have: routes, aliases, then `PROVIDER/MODEL` of every target.
    pub fn models(&self) -> Vec<String> {
        self.engine.models()
    }

    /// Permits of circuit breakers held now; 0 when no request is in flight.
    pub fn outstanding(&self) -> u32 {
        self.engine.outstanding()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("models", &self.models()).finish_non_exhaustive()
    }
}
