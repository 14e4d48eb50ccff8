//! The standing of a provider's API key: accepted, or rejected and tried again after growing pauses.

use std::time::{Duration, Instant};

/// The pause after the first rejection.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause between two trials.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The time between two readings of a resting key.
const READ_INTERVAL: Duration = Duration::from_secs(2);

/// The wait that a request turned away by a trial may expect: most answers begin within it.
const TRIAL_WAIT: Duration = Duration::from_secs(1);

/// The standing of a key. A rejected key rests; then one call at a time tries it, until one is answered.
///
/// Secrets are numbered by generation, so that a key that changed is another one, whether a request or a probe read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum KeyStanding {
    /// No call was rejected since the key was last accepted.
    #[default]
    Accepted,
    /// The latest answer to the key was a rejection.
    Rejected(Rejected),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rejected {
    /// The generation of the rejected secret.
    generation: u64,
    /// The pause that led to `due`.
    pause: Duration,
    /// The time from which one call may try the secret.
    due: Instant,
    /// The time of the latest reading of the key.
    read: Instant,
    claim: Claim,
}

/// The use that one request makes of a rejected key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    None,
    /// Reads it again.
    Reading,
    /// Tries it with a call.
    Trial,
}

/// The admission of a call by the standing of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAdmission {
    /// The key is accepted.
    Free,
    /// The call is the trial of a rejected key.
    Trial,
    /// The key rests for this time, or another call tries it.
    Denied(Duration),
}

impl KeyStanding {
    /// Returns true if the latest answer to the key was a rejection.
    pub(super) const fn is_rejected(self) -> bool {
        matches!(self, Self::Rejected(_))
    }

    /// Returns the time until a call may be made with the secret of this generation; `None` if one may be made now.
    pub(super) fn rest(&self, generation: u64, at: Instant) -> Option<Duration> {
        let Self::Rejected(rejected) = self else { return None };
        let left = if generation == rejected.generation {
            rejected.due.saturating_duration_since(at)
        } else {
            Duration::ZERO
        };
        match rejected.claim {
            Claim::None => Some(left).filter(|left| !left.is_zero()),
            Claim::Reading | Claim::Trial => Some(left.max(TRIAL_WAIT)),
        }
    }

    /// Admits a call with the secret of this generation. A trial lasts until [`release`](Self::release).
    pub(super) fn admit(&mut self, generation: u64, at: Instant) -> KeyAdmission {
        if let Some(left) = self.rest(generation, at) {
            return KeyAdmission::Denied(left);
        }
        match self {
            Self::Accepted => KeyAdmission::Free,
            Self::Rejected(rejected) => {
                rejected.claim = Claim::Trial;
                KeyAdmission::Trial
            }
        }
    }

    /// Returns true if a key that rests with this generation is to be read again by the caller, until
    /// [`release`](Self::release).
    pub(super) fn try_read(&mut self, generation: u64, at: Instant) -> bool {
        if self.rest(generation, at).is_none() {
            return false;
        }
        let Self::Rejected(rejected) = self else { return false };
        let is_due = at >= rejected.read.checked_add(READ_INTERVAL).unwrap_or(at);
        let may_read = is_due && rejected.claim == Claim::None;
        if may_read {
            (rejected.claim, rejected.read) = (Claim::Reading, at);
        }
        may_read
    }

    /// Records that a call was rejected, which was sent with the secret of one generation while that of another may have
    /// taken its place. Only a trial prolongs the rest of a secret: other calls were in flight when it began.
    pub(super) fn reject(&mut self, sent: u64, current: u64, is_trial: bool, at: Instant) {
        let last = match self {
            _ if sent != current => return,
            Self::Rejected(rejected) if rejected.generation == sent => {
                if !is_trial {
                    return;
                }
                rejected.pause
            }
            Self::Accepted | Self::Rejected(_) => Duration::ZERO,
        };
        let pause = last.saturating_mul(2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        let due = at.checked_add(pause).unwrap_or(at);
        *self = Self::Rejected(Rejected { generation: sent, pause, due, read: at, claim: Claim::None });
    }

    /// Ends a trial or a reading. Without a rejection or an acceptance before, the next call may try the key.
    pub(super) const fn release(&mut self) {
        if let Self::Rejected(rejected) = self {
            rejected.claim = Claim::None;
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
        assert_eq!(key.admit(0, at), KeyAdmission::Free);
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            key.reject(0, 0, true, at);
            at += (seconds - 1) * SECOND;
            assert_eq!(key.admit(0, at), KeyAdmission::Denied(SECOND), "{seconds}");
            at += SECOND;
            assert_eq!(key.admit(0, at), KeyAdmission::Trial, "{seconds}");
        }
        key.accept();
        assert_eq!(key, KeyStanding::Accepted);
    }

    #[test]
    fn one_call_tries_and_an_undecided_trial_passes_to_the_next() {
        let (mut key, at) = (KeyStanding::default(), now());
        key.reject(0, 0, false, at);
        let due = at + 30 * SECOND;
        assert_eq!(key.rest(0, due), None);
        assert_eq!(key.admit(0, due), KeyAdmission::Trial);
        assert_eq!(key.rest(0, due), Some(TRIAL_WAIT));
        assert_eq!(key.admit(0, due), KeyAdmission::Denied(TRIAL_WAIT));
        key.release();
        assert_eq!(key.admit(0, due), KeyAdmission::Trial);
    }

    #[test]
    fn rejections_of_calls_in_flight_do_not_prolong_the_rest() {
        let (mut key, at) = (KeyStanding::default(), now());
        key.reject(0, 0, false, at);
        key.reject(0, 0, false, at + SECOND);
        assert!(key.try_read(0, at + 2 * SECOND));
        key.reject(0, 0, false, at + 2 * SECOND);
        key.release();
        let due = at + 30 * SECOND;
        assert_eq!(key.admit(0, due), KeyAdmission::Trial);
        key.reject(0, 0, false, due);
        assert_eq!(key.admit(0, due), KeyAdmission::Denied(TRIAL_WAIT), "the trial still runs");
    }

    #[test]
    fn another_secret_is_tried_at_once_and_begins_with_the_shortest_pause() {
        let (mut key, at) = (KeyStanding::default(), now());
        key.reject(0, 0, false, at);
        assert_eq!(key.admit(0, at + 30 * SECOND), KeyAdmission::Trial);
        key.reject(0, 0, true, at + 30 * SECOND);
        let later = at + 40 * SECOND;
        assert!(!key.try_read(0, at + 31 * SECOND), "read a second ago");
        assert!(key.try_read(0, later));
        assert!(!key.try_read(0, later), "another request reads it");
        key.release();
        assert_eq!(key.rest(0, later), Some(50 * SECOND));
        assert!(!key.try_read(1, later + 2 * SECOND), "a probe has read it");
        assert_eq!(key.admit(1, later + 2 * SECOND), KeyAdmission::Trial);
        key.reject(1, 1, true, later + 2 * SECOND);
        assert_eq!(key.admit(1, later + 32 * SECOND), KeyAdmission::Trial);
    }

    #[test]
    fn rejections_of_an_earlier_secret_change_nothing() {
        let (mut key, at) = (KeyStanding::default(), now());
        key.reject(0, 1, false, at);
        assert_eq!(key, KeyStanding::Accepted);
        key.reject(1, 1, false, at);
        assert_eq!(key.admit(2, at), KeyAdmission::Trial);
        key.reject(1, 2, false, at);
        assert_eq!(key.rest(2, at), Some(TRIAL_WAIT), "the trial of the latest secret runs");
    }
}
