//! The calls to a target that rests, when no other target can be called: at most one at a time, with growing pauses.

use std::time::{Duration, Instant};

/// The pause after the first trial call; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause. A trial call per minute finds out in time that the target answers again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The trial calls to one target.
#[derive(Debug, Default)]
pub(super) struct Trials {
    is_running: bool,
    /// The next trial call.
    next: Turn,
}

/// The time of a trial call, and the pause after it; `None` before the first.
pub(super) type Turn = Option<(Instant, Duration)>;

impl Trials {
    /// Begins a trial call, or returns the time until one may begin; zero while one is running. The pauses start again
    /// once no trial was made for twice the pause. Returns the turn before, for [`undo`](Self::undo).
    pub(super) fn begin(&mut self, now: Instant) -> Result<Turn, Duration> {
        if self.is_running {
            return Err(Duration::ZERO);
        }
        let pause = match self.next {
            Some((next, _)) if now < next => return Err(next - now),
            Some((next, pause)) if now < next + pause * 2 => pause,
            Some(_) | None => FIRST_PAUSE,
        };
        self.is_running = true;
        let next = Some((now + pause, (pause * 2).min(LONGEST_PAUSE)));
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Ends a trial of which no call was made: the turn is that of the next request.
    pub(super) fn undo(&mut self, before: Turn) {
        (self.is_running, self.next) = (false, before);
    }

    /// Returns true if a trial call may begin.
    pub(super) fn may_begin(&self, now: Instant) -> bool {
        !self.is_running && self.next.is_none_or(|(next, _)| now >= next)
    }

    /// Ends the running trial call.
    pub(super) fn end(&mut self) {
        self.is_running = false;
    }

    /// Starts the pauses again, as the target answered.
    pub(super) fn clear(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_trials_double_up_to_a_minute() {
        let (began, mut trials, mut at) = (crate::clock::now(), Trials::default(), Vec::new());
        for second in 0..300 {
            if trials.begin(began + Duration::from_secs(second)).is_ok() {
                at.push(second);
                trials.end();
            }
        }
        assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    }

    #[test]
    fn one_trial_runs_at_a_time_and_an_answer_ends_the_pauses() {
        let (now, mut trials) = (crate::clock::now(), Trials::default());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(trials.begin(now), Ok(None));
        assert_eq!(trials.begin(at(500)), Err(Duration::ZERO), "it still runs");
        trials.end();
        assert_eq!(trials.begin(now), Err(FIRST_PAUSE));
        trials.clear();
        assert_eq!(trials.begin(now), Ok(None));
        trials.end();
        // A trial after a long time is the first of another rest.
        let before = trials.begin(at(100)).unwrap();
        trials.undo(before);
        assert_eq!(trials.begin(at(100)), Ok(before), "no call was made");
        trials.end();
        assert_eq!(trials.begin(at(100)), Err(FIRST_PAUSE));
    }
}
