//! What a resilience layer does, told to operators.

mod outcome;

mod fallback;

pub use self::{fallback::fell_back, outcome::Outcome};
