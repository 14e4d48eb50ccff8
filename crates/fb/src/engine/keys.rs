//! The API keys of a provider: what is known of each at one target, and the choice of one for a call.

use std::time::{Duration, Instant};

use fb_core::{RateLimits, Skip};

use super::key_standing::KeyStanding;

/// The state of a key at all targets of its provider.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AccountKey {
    pub(super) standing: KeyStanding,
    pub(super) cooling_until: Option<Instant>,
}

/// The state of a key at one target.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TargetKey {
    pub(super) cooling_until: Option<Instant>,
    /// The time until which nothing is left of a rate limit, by the latest answer.
    paced_until: Option<Instant>,
    /// The smallest share that is left of a rate limit by the latest answer, its time, and that until which the limit is
    /// whole again.
    left: Option<(f64, Instant, Instant)>,
}

impl TargetKey {
    /// Records the rate limits that an answer states. An answer without them changes nothing.
    pub(super) fn record_limits(&mut self, limits: RateLimits, at: Instant) {
        if limits == RateLimits::default() {
            return;
        }
        self.paced_until = limits.exhausted.and_then(|wait| at.checked_add(wait));
        self.left = limits.left.and_then(|(left, resets)| Some((left, at, at.checked_add(resets)?)));
    }

    /// Returns the share of its rate limits that is left, 0 to 1. Limits refill steadily.
    fn share_left(&self, at: Instant) -> f64 {
        let Some((left, since, whole)) = self.left else { return 1.0 };
        let (still, total) = (whole.saturating_duration_since(at), whole.saturating_duration_since(since));
        if still.is_zero() { 1.0 } else { 1.0 - (1.0 - left) * still.as_secs_f64() / total.as_secs_f64() }
    }
}

/// The reason for which a key is not used now, and the time left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyRest {
    /// The provider rejected it.
    Rejected(Duration),
    /// A limit is used up.
    Cooling(Duration),
}

impl KeyRest {
    /// Returns the time until the key may be used.
    pub(super) const fn left(self) -> Duration {
        match self {
            Self::Rejected(left) | Self::Cooling(left) => left,
        }
    }

    /// Returns the reason for which a target is passed over, if all its keys rest like this one.
    pub(super) const fn skip(self) -> Skip {
        match self {
            Self::Rejected(_) => Skip::KeyRejected,
            Self::Cooling(_) => Skip::Cooling,
        }
    }

    const fn is_rejected(self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

/// A key as the choice sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KeyView {
    /// The weight times the share of the rate limits that is left.
    score: f64,
    weight: f64,
    pub(super) share_left: f64,
    pub(super) rest: Option<KeyRest>,
    /// True if the next call with the key is the trial of a rejected key.
    pub(super) is_trial: bool,
}

impl KeyView {
    pub(super) fn new(
        account: AccountKey,
        key: TargetKey,
        weight: f64,
        generation: impl FnOnce() -> u64,
        at: Instant,
    ) -> Self {
        let is_trial = account.standing.is_rejected();
        // Most keys are accepted, and their generation is not needed.
        let rejected = if is_trial { account.standing.rest(generation(), at) } else { None };
        let until = account.cooling_until.max(key.cooling_until).max(key.paced_until);
        let cooling = until.and_then(|until| until.checked_duration_since(at)).filter(|left| !left.is_zero());
        let share_left = key.share_left(at);
        Self {
            score: weight * share_left,
            weight,
            share_left,
            rest: rejected.map(KeyRest::Rejected).or_else(|| cooling.map(KeyRest::Cooling)),
            is_trial,
        }
    }
}

/// Chooses a key for a call: one with a trial that is due, or else a free one at random, by its weight and what its rate
/// limits leave. `random` is in `[0, 1)`. If all rest, returns the rest of the first that is free again; it is a rejection
/// only if all were rejected.
pub(super) fn choose(keys: &[KeyView], random: f64) -> Result<usize, KeyRest> {
    if let Some(trial) = keys.iter().position(|key| key.is_trial && key.rest.is_none()) {
        return Ok(trial);
    }
    let free = || keys.iter().enumerate().filter(|(_, key)| key.rest.is_none());
    let total: f64 = free().map(|(_, key)| key.score).sum();
    // Where nothing is left of any limit, the weights decide.
    let by = |key: &KeyView| if total > 0.0 { key.score } else { key.weight };
    let mut point = random * free().map(|(_, key)| by(key)).sum::<f64>();
    for (index, key) in free() {
        point -= by(key);
        if point < 0.0 {
            return Ok(index);
        }
    }
    // Rounding may leave a rest of the sum.
    let last = free().next_back().map(|(index, _)| index);
    last.ok_or_else(|| first_free(keys))
}

/// Chooses a key for a call although all rest: the first that is free again of those that were not rejected.
pub(super) fn choose_resting(keys: &[KeyView]) -> Option<usize> {
    let rests = keys.iter().enumerate().filter_map(|(index, key)| Some((index, key.rest?)));
    rests.filter(|(_, rest)| !rest.is_rejected()).min_by_key(|(_, rest)| rest.left()).map(|(index, _)| index)
}

fn first_free(keys: &[KeyView]) -> KeyRest {
    let rests = || keys.iter().filter_map(|key| key.rest);
    let left = rests().map(KeyRest::left).min().unwrap_or_default();
    if rests().all(KeyRest::is_rejected) { KeyRest::Rejected(left) } else { KeyRest::Cooling(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    const SECOND: Duration = Duration::from_secs(1);

    fn view(account: AccountKey, key: TargetKey, weight: f64, at: Instant) -> KeyView {
        KeyView::new(account, key, weight, || 0, at)
    }

    fn cooling(until: Instant) -> TargetKey {
        TargetKey { cooling_until: Some(until), ..TargetKey::default() }
    }

    fn left(share: f64, resets: Duration, at: Instant) -> TargetKey {
        let mut key = TargetKey::default();
        key.record_limits(
            RateLimits::with(|limits| {
                limits.left = Some((share, resets));
                limits.exhausted = None;
            }),
            at,
        );
        key
    }

    /// Counts the choices of each key over evenly spread random numbers.
    fn shares(keys: &[KeyView]) -> Vec<usize> {
        let mut counts = vec![0; keys.len()];
        for number in 0..100 {
            counts[choose(keys, f64::from(number) / 100.0).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn keys_are_chosen_by_weight_and_by_what_their_limits_leave() {
        let at = now();
        let account = AccountKey::default();
        let fresh = TargetKey::default();
        assert_eq!(shares(&[view(account, fresh, 3.0, at), view(account, fresh, 1.0, at)]), [75, 25]);
        let tenth = left(0.1, 60 * SECOND, at);
        assert_eq!(shares(&[view(account, tenth, 1.0, at), view(account, fresh, 0.9, at)]), [10, 90]);
        let nothing = left(0.0, 60 * SECOND, at);
        assert_eq!(shares(&[view(account, nothing, 1.0, at), view(account, fresh, 1.0, at)]), [0, 100]);
        assert_eq!(shares(&[view(account, nothing, 1.0, at), view(account, nothing, 3.0, at)]), [25, 75]);
        let half = view(account, nothing, 1.0, at + 30 * SECOND).share_left;
        assert!((half - 0.5).abs() < 1e-9, "{half}");
        assert_eq!(
            shares(&[view(account, fresh, 1.0, at), view(account, cooling(at + SECOND), 9.0, at)]),
            [100, 0]
        );
    }

    #[test]
    fn a_key_of_which_nothing_is_left_rests_until_the_reset_or_a_better_answer() {
        let (at, account) = (now(), AccountKey::default());
        let mut key = TargetKey::default();
        key.record_limits(
            RateLimits::with(|limits| {
                limits.left = Some((0.0, 5 * SECOND));
                limits.exhausted = Some(5 * SECOND);
            }),
            at,
        );
        let rest = |key: TargetKey, at| view(account, key, 1.0, at).rest;
        assert_eq!(rest(key, at + SECOND), Some(KeyRest::Cooling(4 * SECOND)));
        assert_eq!(rest(key, at + 5 * SECOND), None);
        key.record_limits(RateLimits::default(), at);
        assert_eq!(rest(key, at + SECOND), Some(KeyRest::Cooling(4 * SECOND)), "an answer without headers");
        key.record_limits(
            RateLimits::with(|limits| {
                limits.left = Some((0.2, 5 * SECOND));
                limits.exhausted = None;
            }),
            at,
        );
        assert_eq!(rest(key, at + SECOND), None);
    }

    #[test]
    fn trials_go_first_and_all_rest_until_the_first_is_free() {
        let at = now();
        let (mut rejected, fresh) = (AccountKey::default(), AccountKey::default());
        rejected.standing.reject(0, 0, false, at);
        let key = TargetKey::default();
        let one = |account, key, at| view(account, key, 1.0, at);
        assert_eq!(choose(&[one(rejected, key, at), one(fresh, key, at)], 0.0), Ok(1));
        let due = at + 30 * SECOND;
        assert_eq!(choose(&[one(fresh, key, due), one(rejected, key, due)], 0.0), Ok(1));
        let resting = [one(rejected, key, at), one(fresh, cooling(at + 40 * SECOND), at)];
        assert_eq!(choose(&resting, 0.0), Err(KeyRest::Cooling(30 * SECOND)));
        assert_eq!(choose_resting(&resting), Some(1));
        assert_eq!(choose(&resting[..1], 0.0), Err(KeyRest::Rejected(30 * SECOND)));
        assert_eq!(choose_resting(&resting[..1]), None);
    }
}
