//! The context of one request while it is served.

use std::sync::Arc;

use fb_core::{ChatRequest, Envelope};
use parking_lot::Mutex;

use super::{directory::Directory, record::RequestRecord, route_state::RouteState, spend::CostEstimate};
use crate::time_limits::Deadline;

/// The form in which the caller receives the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A whole reply.
    Plain,
    /// A stream of frames.
    Stream,
}

/// The values that stay the same while one request goes from target to target.
#[derive(Clone, Copy)]
pub(super) struct RequestContext<'a> {
    pub(super) request: &'a ChatRequest,
    pub(super) mode: Mode,
    /// The directory that the request began with.
    pub(super) directory: &'a Arc<Directory>,
    pub(super) route: &'a Arc<RouteState>,
    pub(super) record: &'a Arc<RequestRecord>,
    /// The estimated cost and the account charged; `None` where tenants have no budgets.
    pub(super) estimate: Option<CostEstimate<'a>>,
    /// The attempts and the time that all calls of the request share.
    pub(super) envelope: Envelope,
    /// The deadline of the route, which that of the request may be shorter than.
    pub(super) deadline: Deadline,
    /// True if the caller shortened the route's deadline: running out of time is then not the target's failure.
    pub(super) deadline_shortened: bool,
    /// True if too few targets of the route are healthy for health to count.
    pub(super) panic: bool,
    /// The number of callable targets at lower levels, and of those tried last, for which attempts and time are kept.
    pub(super) reserve: u32,
    pub(super) random: &'a Mutex<fastrand::Rng>,
}

impl<'a> RequestContext<'a> {
    /// Returns the same context for a rewritten request, with its own cost estimate.
    pub(super) fn with_request(self, request: &'a ChatRequest) -> Self {
        let estimate = self.estimate.map(|estimate| CostEstimate::new(estimate.account, request));
        Self { request, estimate, ..self }
    }

    /// Returns a random number in `[0, 1)`.
    pub(super) fn random(self) -> f64 {
        self.random.lock().f64()
    }
}
