#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "the state of the checks serves the prober"))]

mod config;

mod latency;
mod window;

mod endpoint;
mod outlier;
mod panic;
mod passive;

mod fleet;
mod status;

#[cfg(feature = "tokio")]
mod prober;

#[cfg(test)]
mod virtual_time;

pub use fb_core::{Eligibility, InvalidConfig, Skip};

pub use self::config::{
    Decay, ErrorsConfig, HealthConfig, OutlierConfig, PanicConfig, ProbeConfig, ProbeKind, RampConfig,
};
pub use self::endpoint::{Check, Condition};
pub use self::fleet::{Fleet, Member};
pub use self::panic::PanicMode;
pub use self::passive::Origin;
#[cfg(feature = "tokio")]
pub use self::prober::Prober;
pub use self::status::{LastCheck, Latency, Status};
