//! What an operator decides over the breaker's head.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// What an operator makes a breaker do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is admitted, bypasses neither.
    ForcedOpen,
    /// Everything is admitted. The breaker counts on and changes state by what it hears, and tells nobody.
    ForcedClosed,
    /// Everything is admitted. The breaker counts on and tells what it would have done.
    MetricsOnly,
}

/// An operator's decision, kept beside the breaker's own state: lifted, the breaker is where its evidence led it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// What it makes the breaker do.
    pub mode: Mode,
    /// Why, in the operator's words.
    pub reason: Arc<str>,
    /// When it ends by itself; `None` is never.
    pub until: Option<Instant>,
}

impl Override {
    /// One that lasts until it is lifted.
    pub fn new(mode: Mode, reason: impl Into<Arc<str>>) -> Self {
        Self { mode, reason: reason.into(), until: None }
    }

    /// Ends it by itself.
    #[must_use]
    pub fn until(self, until: Instant) -> Self {
        Self { until: Some(until), ..self }
    }

    /// Whether it has not ended by itself.
    pub(crate) fn lasts(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// What is left of one that ends by itself.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }
}
