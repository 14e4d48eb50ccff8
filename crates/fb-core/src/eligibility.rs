use std::time::Duration;

use crate::Skip;

/// The eligibility of a target for new calls, as input to routing.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fb_core::{Eligibility, Skip};
///
/// assert!(Eligibility::usable().is_usable());
/// let cooling = Eligibility::unusable(Skip::Cooling, Some(Duration::from_secs(20)));
/// assert_eq!(cooling.weight, 0.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Eligibility {
    /// The share of its usual traffic that the target should get, 0 to 1; 0 while it must not be called.
    pub weight: f64,
    /// The time until the target may be called; `None` if it may be called now or if waiting does not help.
    pub not_before: Option<Duration>,
    /// The reasons against a call; empty if the target may be called.
    pub reasons: Vec<Skip>,
}

impl Eligibility {
    /// Returns the eligibility of a target that may be called without restriction.
    pub const fn usable() -> Self {
        Self { weight: 1.0, not_before: None, reasons: Vec::new() }
    }

    /// Returns the eligibility of a target that must not be called.
    pub fn unusable(reason: Skip, not_before: Option<Duration>) -> Self {
        Self { weight: 0.0, not_before, reasons: vec![reason] }
    }

    /// Returns `true` if the target may be called now.
    pub fn is_usable(&self) -> bool {
        self.weight > 0.0
    }
}
