//! The calls that one request has made to one target.

use std::time::{Duration, Instant};

use fb_core::{ChatRequest, Failure};

/// The calls that one request has made to one target.
#[derive(Default)]
pub(super) struct Retries {
    /// Calls, of which the latest may be in flight.
    pub(super) calls: u32,
    /// True if the target was called without a failure at another one before, and did not fail yet.
    pub(super) selected: bool,
    /// Retries, not counting repairs and those after a stale connection.
    pub(super) counted: u32,
    /// Stale connections met.
    pub(super) stale: u32,
    /// The wait before the latest call.
    pub(super) wait: Duration,
    /// The time from which the target may be called again, if its last call failed in a way that may pass.
    pub(super) due: Option<Instant>,
    /// The latest failure, if it has to be surfaced in case its retry is not admitted.
    pub(super) to_surface: Option<Box<Failure>>,
    /// The request with the defect of its first answer named. It is repaired once. Boxed, as few requests are.
    pub(super) repaired: Option<Box<ChatRequest>>,
}
