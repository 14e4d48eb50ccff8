#![doc = include_str!("../README.md")]

mod with;

mod config;
mod weight;

mod window;

mod machine;
mod state;

mod control;
mod gate;
mod snapshot;

mod breaker;
mod call;
mod permit;

mod registry;

#[cfg(feature = "tower")]
mod tower;

#[cfg(test)]
mod virtual_time;

pub use self::breaker::Breaker;
pub use self::call::CallError;
pub use self::config::{
    BreakerConfig, HalfOpenConfig, InvalidConfig, OpenConfig, RampConfig, SlowConfig, WindowConfig,
};
pub use self::control::{Mode, Override};
pub use self::permit::{Permit, ProvisionalPermit};
pub use self::registry::{Circuit, CircuitListener, Registry, RegistryConfig};
pub use self::snapshot::{OverrideSnapshot, Snapshot};
pub use self::state::{RejectReason, Rejected, State, Transition, TransitionListener, TransitionReason};
#[cfg(feature = "tower")]
pub use self::tower::{
    BreakerBody, BreakerFuture, BreakerLayer, BreakerService, CallFuture, CallLayer, CallService, Verdict,
    by_status,
};
pub use self::weight::Weight;
