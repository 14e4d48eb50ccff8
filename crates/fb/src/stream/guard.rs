use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use fb_core::{Failure, FailureKind, Phase};
use tokio::time::Sleep;

use crate::{Route, clock::now};

/// The time limits of a committed stream.
///
/// One timer a stream, armed when the stream first waits and re-armed only when it fires: a timer per frame costs
/// more than the frame.
pub(super) struct Guard {
    idle: Duration,
    gap: Duration,
    end: Instant,
    heard: Instant,
    meant: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Guard {
    pub(super) fn new(route: &Route, at: Instant) -> Self {
        let end = at + route.stream_total;
        Self { idle: route.idle_timeout, gap: route.semantic_gap, end, heard: at, meant: at, timer: None }
    }

    /// When the stream has to be over.
    pub(super) const fn end(&self) -> Instant {
        self.end
    }

    /// A frame came; pings and comments keep only the idle limit away.
    pub(super) fn heard(&mut self, semantic: bool, at: Instant) {
        self.heard = at;
        if semantic {
            self.meant = at;
        }
    }

    /// Waits for the first limit to pass.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let (limit, failure) = self.limit();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(limit.into())));
        while timer.as_mut().poll(cx).is_ready() {
            // It was armed before the last frames came.
            if limit <= now() {
                return Poll::Ready(failure());
            }
            timer.as_mut().reset(limit.into());
        }
        Poll::Pending
    }

    fn limit(&self) -> (Instant, fn() -> Failure) {
        let idle: (Instant, fn() -> Failure) = (self.heard + self.idle, || {
            Failure::new(FailureKind::Timeout(Phase::Idle), "the stream fell silent")
        });
        let gap: (Instant, fn() -> Failure) = (self.meant + self.gap, || {
            Failure::new(FailureKind::Timeout(Phase::Idle), "signs of life without any output")
        });
        let total: (Instant, fn() -> Failure) = (self.end, || {
            Failure::new(FailureKind::Timeout(Phase::Total), "the stream took longer than its route allows")
        });
        [idle, gap, total].into_iter().min_by_key(|(at, _)| *at).unwrap_or(total)
    }
}
