//! What a resilience layer does, told to operators.

mod outcome;

mod fallback;

mod drift;

pub use self::{
    drift::{Drift, DriftConfig, Drifted, InvalidConfig},
    fallback::fell_back,
    outcome::Outcome,
};
