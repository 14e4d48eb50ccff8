//! Records of the latest requests: what was decided, and why; nothing that anybody wrote.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use fb_core::{Report, RequestId};
use fb_router::Plan;
use parking_lot::Mutex;
use serde::Deserialize;

/// What is remembered of requests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// Requests whose decisions are remembered, at most 100,000; with 0 none are. A record takes about 1 KiB. Default 1,000.
    pub keep: usize,
}

impl TracesConfig {
    pub(crate) const MOST: usize = 100_000;
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self { keep: 1_000 }
    }
}

/// What was decided for one request. Holds names, numbers and the words of errors; no prompt and no answer.
#[derive(Debug, Clone)]
pub struct Record {
    /// The route that served it.
    pub route: String,
    /// What the caller put into `model`, where that is another name: an alias, or a route with classes.
    pub asked: Option<String>,
    /// For whom it was made; `None`: `default`.
    pub tenant: Option<Arc<str>>,
    /// When it began.
    pub began: Instant,
    /// How its targets were ranked and who was refused; `None` when nobody had to be asked.
    pub plan: Option<Plan>,
    /// What happened.
    pub report: Report,
}

impl Record {
    /// Its id.
    pub const fn id(&self) -> RequestId {
        self.report.id
    }

    /// How long ago it began.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

impl fmt::Display for Record {
    /// The whole story: a line on the request, its plan, its trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { served_by, level, took, cache, degraded, trace, .. } = &self.report;
        write!(f, "{}  route {}", self.id(), self.route)?;
        if let Some(asked) = &self.asked {
            write!(f, " (asked for {asked})")?;
        }
        if let Some(tenant) = &self.tenant {
            write!(f, ", tenant {tenant}")?;
        }
        match served_by {
            Some(by) => write!(f, "\nserved by {by} at level {level}")?,
            None => write!(f, "\nnot served, at level {level}")?,
        }
        write!(f, " after {} ms", took.as_millis())?;
        if let Some(used) = cache {
            write!(f, ", cache {used}")?;
        }
        if let Some(cost) = self.report.cost() {
            write!(f, ", cost {cost}")?;
        }
        if let Some(reason) = degraded {
            write!(f, "\ninstead of: {reason}")?;
        }
        if let Some(plan) = &self.plan {
            write!(f, "\n\nplan\n{plan}")?;
        }
        if !trace.rows().is_empty() {
            write!(f, "\ntrace\n{trace}")?;
        }
        Ok(())
    }
}

/// The latest records, the oldest first.
#[derive(Debug)]
pub(crate) struct Traces {
    keep: usize,
    records: Mutex<VecDeque<Arc<Record>>>,
}

impl Traces {
    pub(crate) fn new(config: &TracesConfig) -> Self {
        Self { keep: config.keep.min(TracesConfig::MOST), records: Mutex::default() }
    }

    /// Whether anything is remembered.
    pub(crate) const fn is_on(&self) -> bool {
        self.keep > 0
    }

    pub(crate) fn remember(&self, record: Record) {
        let record = Arc::new(record);
        let forgotten = {
            let mut records = self.records.lock();
            let full = records.len() >= self.keep;
            let forgotten = if full { records.pop_front() } else { None };
            records.push_back(record);
            forgotten
        };
        // What is freed is freed outside of the lock.
        drop(forgotten);
    }

    pub(crate) fn find(&self, id: RequestId) -> Option<Arc<Record>> {
        self.records.lock().iter().rfind(|record| record.id() == id).cloned()
    }

    /// The latest, the newest first.
    pub(crate) fn latest(&self, most: usize) -> Vec<Arc<Record>> {
        self.records.lock().iter().rev().take(most).cloned().collect()
    }
}
