use std::time::{Duration, Instant};

/// The limits of one request: its deadline and its number of attempts, over all targets and retries.
///
/// An envelope holds limits only. Callers pass the attempts made so far, counted from the trace, so that there is no
/// second counter that could disagree.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use fb_core::Envelope;
///
/// let now = Instant::now();
/// let envelope = Envelope::new(now, Duration::from_secs(60), 6, 3);
/// // Two targets are untried after this one, and 5 s are reserved for each of them.
/// assert_eq!(envelope.slice(now, 2), Some(Duration::from_secs(50)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The start of the request.
    pub started: Instant,
    /// The time by which the request must be answered or, for a stream, committed.
    pub deadline: Instant,
    /// Maximum number of attempts in total.
    pub attempts: u32,
    /// The minimum time that must remain to start an attempt.
    pub min_slice: Duration,
}

/// Upper limit of the time reserved for one untried target. A larger reserve would starve the first target of a request
/// with a long deadline.
const MAX_SLICE: Duration = Duration::from_secs(5);

impl Envelope {
    /// Creates an envelope that starts at `now`.
    ///
    /// The minimum slice is 5 s or the deadline divided by the number of targets, whichever is smaller, so that a caller
    /// with a short timeout still gets attempts.
    pub fn new(now: Instant, deadline: Duration, attempts: u32, targets: usize) -> Self {
        let share = deadline / u32::try_from(targets.max(1)).unwrap_or(u32::MAX);
        Self { started: now, deadline: now + deadline, attempts, min_slice: share.min(MAX_SLICE) }
    }

    /// Returns the time until the deadline; zero once it has passed.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }

    /// Returns the timeout of an attempt that starts now, or `None` if too little time remains to start one.
    ///
    /// One minimum slice is reserved for each of `later` untried targets; the attempt itself gets at least one.
    pub fn slice(&self, now: Instant, later: u32) -> Option<Duration> {
        let left = self.remaining(now);
        if left < self.min_slice || left.is_zero() {
            return None;
        }
        Some(left.saturating_sub(self.min_slice.saturating_mul(later)).max(self.min_slice))
    }

    /// Returns `true` if `used` attempts leave one, and one more for each of `later` untried targets.
    pub fn affords_attempts(&self, used: u32, later: u32) -> bool {
        used.saturating_add(1).saturating_add(later) <= self.attempts
    }

    /// Returns `true` if a retry after `wait` leaves one attempt and one minimum slice for itself and for each of
    /// `later` untried targets, given that `used` attempts were made.
    pub fn affords_retry(&self, now: Instant, wait: Duration, used: u32, later: u32) -> bool {
        let need = self.min_slice.saturating_mul(later.saturating_add(1));
        self.affords_attempts(used, later) && self.remaining(now) >= wait.saturating_add(need)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the tests need some origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn slice_reserves_time_for_later_targets() {
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
    fn retry_leaves_room_for_later_targets() {
        let t = origin();
        let e = Envelope::new(t, secs(60), 4, 3);
        assert!(e.affords_retry(t, secs(1), 1, 2));
        assert!(!e.affords_retry(t, secs(1), 2, 2), "attempts");
        assert!(e.affords_retry(t, secs(45), 1, 2));
        assert!(!e.affords_retry(t, secs(46), 1, 2), "time");
    }
}
