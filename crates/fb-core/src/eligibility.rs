use std::time::Duration;

use crate::Skip;

/// Whether a target may be called now, and if not, why and for how long: the one thing a router reads per target.
#[derive(Debug, Clone, PartialEq)]
pub struct Eligibility {
    /// Share of its usual traffic, 0 to 1; 0 while it may not be called.
    pub weight: f64,
    /// How long until it may be called; `None` when it may be called now, or when time alone will not help.
    pub not_before: Option<Duration>,
    /// Why not, empty when it may be called.
    pub reasons: Vec<Skip>,
}

impl Eligibility {
    /// A target that may be called.
    pub const fn full() -> Self {
        Self { weight: 1.0, not_before: None, reasons: Vec::new() }
    }

    /// A target that may not be called.
    pub fn barred(reason: Skip, not_before: Option<Duration>) -> Self {
        Self { weight: 0.0, not_before, reasons: vec![reason] }
    }

    /// Whether the target may be called now.
    pub fn is_usable(&self) -> bool {
        self.weight > 0.0
    }
}
