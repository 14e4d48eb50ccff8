//! The time limits of a committed stream.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use fb_core::{Failure, FailureKind, Phase};
use tokio::{task::coop::has_budget_remaining, time::Sleep};

use crate::{Route, clock::now};

/// The time limits of a committed stream: between frames, between frames with output, and in total.
///
/// A stream has one timer, armed at its first wait and armed again only when it fires: a timer per frame would cost more
/// than the frame.
pub(super) struct Guard {
    idle: Duration,
    gap: Duration,
    end: Instant,
    last_frame: Instant,
    last_output: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// The waker that the timer has.
    armed_for: Option<Waker>,
}

impl Guard {
    pub(super) fn new(route: &Route, idle: Option<Duration>, at: Instant) -> Self {
        let end = at + route.stream_total;
        Self {
            idle: idle.unwrap_or(route.idle_timeout),
            gap: route.semantic_gap,
            end,
            last_frame: at,
            last_output: at,
            timer: None,
            armed_for: None,
        }
    }

    /// Returns the time by which the stream must end.
    pub(super) const fn end(&self) -> Instant {
        self.end
    }

    /// Records a frame. Pings and comments extend only the idle limit.
    pub(super) fn record_frame(&mut self, semantic: bool, at: Instant) {
        self.last_frame = at;
        if semantic {
            self.last_output = at;
        }
    }

    /// Completes with the failure of the first limit that passes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        // The timer keeps its waker until it fires: it is polled with another one only, not for every frame.
        let is_armed = self.armed_for.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_armed && self.timer.as_ref().is_some_and(|timer| !timer.is_elapsed()) {
            return Poll::Pending;
        }
        let (limit, failure) = self.limit();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(limit.into())));
        while timer.as_mut().poll(cx).is_ready() {
            // The timer may have been armed before the latest frames arrived.
            if limit <= now() {
                return Poll::Ready(failure());
            }
            timer.as_mut().reset(limit.into());
        }
        // A task without budget has polled nothing, and will be polled again.
        self.armed_for = has_budget_remaining().then(|| cx.waker().clone());
        Poll::Pending
    }

    fn limit(&self) -> (Instant, fn() -> Failure) {
        let idle: (Instant, fn() -> Failure) = (self.last_frame + self.idle, || {
            Failure::new(FailureKind::Timeout(Phase::Idle), "the stream fell silent")
        });
        let gap: (Instant, fn() -> Failure) = (self.last_output + self.gap, || {
            Failure::new(FailureKind::Timeout(Phase::Idle), "signs of life without any output")
        });
        let total: (Instant, fn() -> Failure) = (self.end, || {
            Failure::new(FailureKind::Timeout(Phase::Total), "the stream took longer than its route allows")
        });
        [idle, gap, total].into_iter().min_by_key(|(at, _)| *at).unwrap_or(total)
    }
}
