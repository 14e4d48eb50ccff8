use std::time::{Duration, Instant};

/// What one request may use in all. Limits only: what is spent is read from the trace, so that there is no second
/// count to disagree with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// When the request began.
    pub started: Instant,
    /// When it must be answered; for a stream: committed.
    pub deadline: Instant,
    /// Most attempts in all.
    pub attempts: u32,
    /// The least time an attempt is begun with.
    pub min_slice: Duration,
}

/// The most a single untried target is reserved: with more, a long deadline would starve the first target.
const MAX_SLICE: Duration = Duration::from_secs(5);

impl Envelope {
    /// An envelope that begins at `now`.
    ///
    /// The minimum slice is the smaller of 5 s and the deadline's share per target, so that a caller with a short
    /// timeout still gets attempts.
    pub fn new(now: Instant, deadline: Duration, attempts: u32, targets: usize) -> Self {
        let share = deadline / u32::try_from(targets.max(1)).unwrap_or(u32::MAX);
        Self { started: now, deadline: now + deadline, attempts, min_slice: share.min(MAX_SLICE) }
    }

    /// What is left of the deadline.
    pub fn left(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }

    /// How long an attempt begun now may take, with a minimum slice kept for each of `later` untried targets, but
    /// at least one minimum slice. `None`: too little is left to begin.
    pub fn slice(&self, now: Instant, later: u32) -> Option<Duration> {
        let left = self.left(now);
        if left < self.min_slice || left.is_zero() {
            return None;
        }
        Some(left.saturating_sub(self.min_slice.saturating_mul(later)).max(self.min_slice))
    }

    /// Whether a retry after `wait` leaves an attempt and a minimum slice for itself and for each of `later`
    /// untried targets, when `used` attempts were made.
    pub fn affords_retry(&self, now: Instant, wait: Duration, used: u32, later: u32) -> bool {
        let attempts = used.saturating_add(1).saturating_add(later) <= self.attempts;
        let need = self.min_slice.saturating_mul(later.saturating_add(1));
        attempts && self.left(now) >= wait.saturating_add(need)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn later_targets_keep_a_slice_and_short_deadlines_still_get_attempts() {
        let t = origin();
        let e = Envelope::new(t, secs(60), 6, 3);
        assert_eq!(e.min_slice, secs(5));
        assert_eq!(e.slice(t, 2), Some(secs(50)));
        assert_eq!(e.slice(t + secs(52), 2), Some(secs(5)));
        assert_eq!(e.slice(t + secs(56), 0), None);
        let short = Envelope::new(t, secs(3), 6, 3);
        assert_eq!(short.slice(t, 2), Some(secs(1)));
        assert_eq!(Envelope::new(t, secs(0), 6, 1).slice(t, 0), None);
    }

    #[test]
    fn a_retry_must_leave_room_for_the_targets_after_it() {
        let t = origin();
        let e = Envelope::new(t, secs(60), 4, 3);
        assert!(e.affords_retry(t, secs(1), 1, 2));
        assert!(!e.affords_retry(t, secs(1), 2, 2), "attempts");
        assert!(e.affords_retry(t, secs(45), 1, 2));
        assert!(!e.affords_retry(t, secs(46), 1, 2), "time");
    }
}
