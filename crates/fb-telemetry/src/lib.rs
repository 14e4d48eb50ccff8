#![doc = include_str!("../README.md")]

mod label_values;
mod names;
mod outcome;

mod fallback;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "metrics")]
mod observable;
mod spans;
mod tracing_events;

mod drift;
mod drift_watch;

mod fan_out;

/// Recording of finished requests, one line each, for `fb backtest`.
#[cfg(feature = "record")]
pub mod record;

#[cfg(test)]
mod samples;

pub use fb_core::InvalidConfig;

pub use self::{
    drift::{Drift, DriftConfig, Drifted},
    drift_watch::{Alarm, DriftWatch},
    fallback::fell_back,
    fan_out::FanOut,
    names::Names,
    outcome::{Outcome, TargetRole},
    spans::{AttemptSpan, RequestSpan},
    tracing_events::TracingEvents,
};
#[cfg(feature = "metrics")]
pub use self::{
    metrics::{Account, Metrics, Readings, Records},
    observable::Observable,
};
