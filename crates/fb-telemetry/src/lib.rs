#![doc = include_str!("../README.md")]

mod label_values;
mod names;
mod outcome;

mod fallback;
mod metrics;
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
    metrics::{Account, Metrics, Readings, Records},
    names::Names,
    observable::Observable,
    outcome::{Outcome, TargetRole},
    spans::{AttemptSpan, RequestSpan},
    tracing_events::TracingEvents,
};
