//! Overrides by an operator.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The effect of an [`Override`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Mode {
    /// Rejects every call, including bypasses.
    ForcedOpen,
    /// Admits every call. The breaker keeps counting and changing its own state, without calling the listener.
    ForcedClosed,
    /// Admits every call. The breaker keeps counting and changing its own state, and calls the listener.
    MetricsOnly,
}

/// A decision by an operator that takes precedence over the breaker's own state.
///
/// The breaker's own state continues to change while the override is active and applies again after it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The effect.
    pub mode: Mode,
    /// The operator's reason.
    pub reason: Arc<str>,
    /// The end of the override; `None` for an override that lasts until it is lifted.
    pub until: Option<Instant>,
}

impl Override {
    /// Creates an override that lasts until it is lifted.
    pub fn new(mode: Mode, reason: impl Into<Arc<str>>) -> Self {
        Self { mode, reason: reason.into(), until: None }
    }

    /// Sets the end of the override.
    #[must_use]
    pub fn until(self, until: Instant) -> Self {
        Self { until: Some(until), ..self }
    }

    /// Returns `true` unless the override has ended.
    pub(crate) fn is_active(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// Returns the time until the end; `None` for an override without an end.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }
}
