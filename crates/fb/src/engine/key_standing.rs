//! The standing of a provider's API key: accepted, or rejected and tried again after growing pauses.

use std::time::{Duration, Instant};

/// The pause after the first rejection.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause between two trials.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The time between two readings of a resting key.
const READ_INTERVAL: Duration = Duration::from_secs(2);

/// The standing of a key. A rejected key rests; then one call at a time tries it, until one is answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum KeyStanding {
    /// No call was rejected since the key was last accepted.
    #[default]
    Accepted,
    /// The latest answer to the key was a rejection.
    Rejected(Rejected),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// The pause that led to `due`; zero for a key that was never tried.
    pause: Duration,
    /// The time from which one call may try the key.
    due: Instant,
    /// The time of the latest reading of the key.
    read: Instant,
    /// True while one request tries the key or reads it again.
    claimed: bool,
}

/// The admission of a call by the standing of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAdmission {
    /// The key is accepted.
    Free,
    /// The call is the trial of a rejected key.
    Trial,
    /// The key rests, or another call tries it.
    Denied,
}

impl KeyStanding {
    /// Returns true if no call may be made with the key now.
    pub(super) fn rests(&self, at: Instant) -> bool {
        match self {
            Self::Accepted => false,
            Self::Rejected(rejected) => rejected.claimed || at < rejected.due,
        }
    }

    /// Admits a call. A trial lasts until [`release`](Self::release).
    pub(super) fn admit(&mut self, at: Instant) -> KeyAdmission {
        if self.rests(at) {
            return KeyAdmission::Denied;
        }
        match self {
            Self::Accepted => KeyAdmission::Free,
            Self::Rejected(rejected) => {
                rejected.claimed = true;
                KeyAdmission::Trial
            }
        }
    }

    /// Returns true if a resting key is to be read again by the caller, until [`record_reading`](Self::record_reading).
    pub(super) fn try_read(&mut self, at: Instant) -> bool {
        let Self::Rejected(rejected) = self else { return false };
        let is_due = !rejected.claimed
            && at < rejected.due
            && at >= rejected.read.checked_add(READ_INTERVAL).unwrap_or(at);
        if is_due {
            (rejected.claimed, rejected.read) = (true, at);
        }
        is_due
    }

    /// Records the result of a reading. Another key than the rejected one may be tried at once.
    pub(super) const fn record_reading(&mut self, is_another: bool, at: Instant) {
        if let Self::Rejected(rejected) = self
            && is_another
        {
            (rejected.pause, rejected.due) = (Duration::ZERO, at);
        }
    }

    /// Records a rejection: the first, or that of a trial. Calls that were in flight at the first one change nothing.
    pub(super) fn reject(&mut self, at: Instant) {
        let last = match self {
            Self::Accepted => Duration::ZERO,
            Self::Rejected(rejected) if rejected.claimed => rejected.pause,
            Self::Rejected(_) => return,
        };
        let pause = last.saturating_mul(2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        let due = at.checked_add(pause).unwrap_or(at);
        *self = Self::Rejected(Rejected { pause, due, read: at, claimed: false });
    }

    /// Ends a trial or a reading. Without a rejection or an acceptance before, the next call may try the key.
    pub(super) const fn release(&mut self) {
        if let Self::Rejected(rejected) = self {
            rejected.claimed = false;
        }
    }

    /// Ends the rejection.
    pub(super) const fn accept(&mut self) {
        *self = Self::Accepted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_grow_from_half_a_minute_to_ten_minutes() {
        let (mut key, mut at) = (KeyStanding::default(), now());
        assert_eq!(key.admit(at), KeyAdmission::Free);
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            key.reject(at);
            at += (seconds - 1) * SECOND;
            assert_eq!(key.admit(at), KeyAdmission::Denied, "{seconds}");
            at += SECOND;
            assert_eq!(key.admit(at), KeyAdmission::Trial, "{seconds}");
        }
        key.accept();
        assert_eq!(key, KeyStanding::Accepted);
    }

    #[test]
    fn one_call_tries_and_an_undecided_trial_passes_to_the_next() {
        let (mut key, at) = (KeyStanding::default(), now());
        key.reject(at);
        let due = at + 30 * SECOND;
        assert!(!key.rests(due));
        assert_eq!(key.admit(due), KeyAdmission::Trial);
        assert!(key.rests(due));
        assert_eq!(key.admit(due), KeyAdmission::Denied);
        key.release();
        assert_eq!(key.admit(due), KeyAdmission::Trial);
    }

    #[test]
    fn rejections_of_calls_in_flight_do_not_prolong_the_rest() {
        let (mut key, at) = (KeyStanding::default(), now());
        key.reject(at);
        key.reject(at + SECOND);
        assert_eq!(key.admit(at + 30 * SECOND), KeyAdmission::Trial);
    }

    #[test]
    fn another_key_is_tried_at_once_and_begins_with_the_shortest_pause() {
        let (mut key, at) = (KeyStanding::default(), now());
        key.reject(at);
        assert_eq!(key.admit(at + 30 * SECOND), KeyAdmission::Trial);
        key.reject(at + 30 * SECOND);
        let later = at + 40 * SECOND;
        assert!(!key.try_read(at + 31 * SECOND), "read a second ago");
        assert!(key.try_read(later));
        assert!(!key.try_read(later), "another request reads it");
        key.record_reading(false, later);
        key.release();
        assert!(key.rests(later));
        assert!(key.try_read(later + 2 * SECOND));
        key.record_reading(true, later + 2 * SECOND);
        key.release();
        assert_eq!(key.admit(later + 2 * SECOND), KeyAdmission::Trial);
        key.reject(later + 2 * SECOND);
        assert_eq!(key.admit(later + 32 * SECOND), KeyAdmission::Trial);
    }
}
