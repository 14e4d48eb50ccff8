//! A route at run time: its targets, its router and the state its requests share.

use std::sync::Arc;

use fb_cache::Flights;
use fb_core::{ChatRequest, Level, TargetId};
use fb_health::PanicMode;
use fb_quality::Gates;
use fb_router::{HedgeBudget, Router};

use super::{route_target::RouteTarget, target_state::TargetState};
use crate::{
    Answer, Error, Route, Rung,
    ladder::LevelTracker,
    time_limits::{Deadline, default_deadline},
};

/// A route at run time.
pub(super) struct RouteState {
    pub(super) config: Arc<Route>,
    /// The targets of the full level, by priority.
    pub(super) targets: Vec<RouteTarget>,
    pub(super) router: Arc<Router>,
    pub(super) hedges: Arc<HedgeBudget>,
    pub(super) gates: Gates,
    pub(super) panic: Arc<PanicMode>,
    /// The levels below the full one at which models are called, the best first, each as configured or built in.
    pub(super) lower_levels: [LowerLevel; 2],
    pub(super) level_tracker: Arc<LevelTracker>,
    /// Identical requests in flight.
    pub(super) flights: Flights<Result<Box<Answer>, Error>>,
}

/// A level below the full one, and the targets called there.
pub(super) struct LowerLevel {
    pub(super) level: Level,
    /// True if the route does not configure the level. Only an operator can choose it.
    pub(super) is_built_in: bool,
    pub(super) rung: Rung,
    pub(super) targets: Vec<RouteTarget>,
}

impl RouteState {
    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Returns the deadline of a plain or streamed request: the configured one, or else the time planned for its calls to
    /// all targets.
    pub(super) fn deadline(&self, request: &ChatRequest, streamed: bool) -> Deadline {
        if let Some(after) = self.config.deadline {
            return Deadline { after, is_set: true };
        }
        let is_buffered = self.is_buffered();
        let calls = self.targets.iter().map(|target| {
            let streams = streamed && target.capabilities().streaming && !is_buffered;
            (target.times(), target.call_shape(request, streams))
        });
        Deadline { after: default_deadline(calls), is_set: false }
    }

    /// Returns true if the quality gates check the answer before its caller sees any of it. Such an answer is requested in
    /// one piece.
    pub(super) fn is_buffered(&self) -> bool {
        self.gates.config().buffer && !self.gates.is_empty()
    }

    /// Returns the state of a target of any level.
    pub(super) fn target_state(&self, id: &TargetId) -> Option<&TargetState> {
        let below = self.lower_levels.iter().flat_map(|lower| &lower.targets);
        self.targets.iter().chain(below).find(|target| target.id() == id).map(|target| &*target.state)
    }

    /// Returns the lower levels for a request that starts at `level`, the best first: `level` itself and the configured ones
    /// below it, or all of them if the level is [built in](Self::is_built_in).
    pub(super) fn levels_from(&self, level: Level) -> impl Iterator<Item = &LowerLevel> + Clone {
        let all = self.is_built_in(level);
        let applies = move |lower: &&LowerLevel| {
            lower.level == level || (lower.level > level && (all || !lower.is_built_in))
        };
        self.lower_levels.iter().filter(applies)
    }

    /// Returns true for a level at which models are called and that the route does not configure: only an operator chooses
    /// it.
    pub(super) fn is_built_in(&self, level: Level) -> bool {
        self.lower_levels.iter().any(|lower| lower.level == level && lower.is_built_in)
    }

    /// Returns true if a route of the same configuration with these targets would call the same targets in the same way.
    pub(super) fn calls_alike(&self, targets: &[RouteTarget], lower_levels: &[LowerLevel; 2]) -> bool {
        let alike = |ours: &[RouteTarget], others: &[RouteTarget]| {
            ours.len() == others.len()
                && ours.iter().zip(others).all(|(one, other)| one.is_called_like(other))
        };
        let mut lower = self.lower_levels.iter().zip(lower_levels);
        alike(&self.targets, targets) && lower.all(|(one, other)| alike(&one.targets, &other.targets))
    }
}
