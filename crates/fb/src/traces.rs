//! Traces of the latest requests: the decisions and their reasons, without prompts and answers.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fb_core::{Report, RequestId};
use fb_router::Plan;
use parking_lot::Mutex;
use serde::Deserialize;

/// Records of the latest requests, with their decisions, for `fb explain`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TracesConfig {
    /// The number of latest requests to keep, up to 100,000; 0 keeps none. A record takes about 1 KiB. Defaults to
    /// 1,000.
    pub keep: usize,
}

impl TracesConfig {
    pub(crate) const MAX: usize = 100_000;
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self { keep: 1_000 }
    }
}

/// The decisions made for one request. Contains names, numbers and error messages, but no prompt and no answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// The route that served the request.
    pub route: String,
    /// The `model` of the request, if it differs from the route: an alias, or a route with classes.
    pub requested: Option<String>,
    /// The tenant that made the request; `None` is the tenant `default`.
    pub tenant: Option<Arc<str>>,
    /// The time at which the request began.
    pub began: Instant,
    /// The order of its targets and the inadmissible ones; `None` if no target was needed.
    pub plan: Option<Plan>,
    /// The report of the request.
    pub report: Report,
}

impl Record {
    /// Returns the id of the request.
    pub const fn id(&self) -> RequestId {
        self.report.id
    }

    /// Returns the time since the request began.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

impl fmt::Display for Record {
    /// Formats the request in one line, then its plan and its trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { served_by, level, took, cache, degraded, trace, .. } = &self.report;
        write!(f, "{}  route {}", self.id(), self.route)?;
        if let Some(requested) = &self.requested {
            write!(f, " (asked for {requested})")?;
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
    keep: AtomicUsize,
    records: Mutex<VecDeque<Arc<Record>>>,
}

impl Traces {
    pub(crate) fn new(config: &TracesConfig) -> Self {
        Self { keep: AtomicUsize::new(config.keep.min(TracesConfig::MAX)), records: Mutex::default() }
    }

    /// Changes the number of records that are kept, from the next one on.
    pub(crate) fn resize(&self, config: &TracesConfig) {
        self.keep.store(config.keep.min(TracesConfig::MAX), Ordering::Relaxed);
    }

    fn keep(&self) -> usize {
        self.keep.load(Ordering::Relaxed)
    }

    /// Returns true if traces are kept.
    pub(crate) fn is_on(&self) -> bool {
        self.keep() > 0
    }

    pub(crate) fn remember(&self, record: Record) {
        let record = Arc::new(record);
        let oldest = {
            let mut records = self.records.lock();
            let excess = (records.len() + 1).saturating_sub(self.keep()).min(records.len());
            let oldest: Vec<_> = records.drain(..excess).collect();
            records.push_back(record);
            oldest
        };
        // The oldest records are freed outside the lock.
        drop(oldest);
    }

    pub(crate) fn find(&self, id: RequestId) -> Option<Arc<Record>> {
        self.records.lock().iter().rfind(|record| record.id() == id).cloned()
    }

    /// Returns the latest records, the newest first.
    pub(crate) fn latest(&self, limit: usize) -> Vec<Arc<Record>> {
        self.records.lock().iter().rev().take(limit).cloned().collect()
    }
}

fb_core::with_changes!(TracesConfig);
