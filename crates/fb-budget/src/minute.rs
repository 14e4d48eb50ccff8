//! A sliding count of the tokens of the last minute.

use std::time::{Duration, Instant};

use crate::Allowance;

const SLOT: Duration = Duration::from_secs(5);
/// A minute has twelve slots; the current one is extra, so that no span of 60 s exceeds the limit.
const SLOTS: usize = 13;
const AGES: u64 = SLOTS as u64;

/// A count of tokens, each of which expires 60 to 65 s after it was added. A clock that steps back changes nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct MinuteWindow {
    origin: Option<Instant>,
    /// The number of the current slot, counted from the origin.
    head: u64,
    slots: [u128; SLOTS],
    /// The sum of all slots.
    sum: u128,
}

/// Tokens in the window, and the slot that holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    slot: u64,
    tokens: u64,
}

impl MinuteWindow {
    /// Moves the window to `now` and expires older slots.
    pub(crate) fn advance(&mut self, now: Instant) {
        let origin = *self.origin.get_or_insert(now);
        let head = now.saturating_duration_since(origin).as_secs() / SLOT.as_secs();
        for offset in 0..head.saturating_sub(self.head).min(AGES) {
            let slot = &mut self.slots[index(self.head + 1 + offset)];
            self.sum -= *slot;
            *slot = 0;
        }
        self.head = self.head.max(head);
    }

    pub(crate) const fn used(&self) -> u128 {
        self.sum
    }

    /// Checks that `tokens` more stay within a limit.
    ///
    /// # Errors
    /// Returns the time until they will, or `None` if they exceed the whole limit.
    pub(crate) fn fits(&self, tokens: u64, limit: u64, now: Instant) -> Result<(), Option<Duration>> {
        let limit = u128::from(limit);
        let mut sum = self.used() + u128::from(tokens);
        if tokens == 0 || sum <= limit {
            return Ok(());
        }
        if u128::from(tokens) > limit {
            return Err(None);
        }
        for age in (0..AGES).rev() {
            let Some(slot) = self.head.checked_sub(age) else { continue };
            sum -= self.slots[index(slot)];
            if sum <= limit {
                return Err(Some(self.until_expired(slot, now)));
            }
        }
        Err(None)
    }

    /// Returns what is left of a limit at `now`, which includes what expires until then.
    pub(crate) fn allowance(mut self, limit: u64, now: Instant) -> Allowance {
        self.advance(now);
        let used = u64::try_from(self.used()).unwrap_or(u64::MAX);
        let slots = (0..AGES).filter_map(|age| self.head.checked_sub(age));
        let latest = slots.into_iter().find(|slot| self.slots[index(*slot)] > 0);
        Allowance {
            limit,
            remaining: limit.saturating_sub(used),
            resets_in: latest.map_or(Duration::ZERO, |slot| self.until_expired(slot, now)),
        }
    }

    /// Returns the time until the tokens of a slot no longer count.
    fn until_expired(&self, slot: u64, now: Instant) -> Duration {
        let age_at_end = u32::try_from(slot + AGES).unwrap_or(u32::MAX);
        let end = self.origin.unwrap_or(now) + SLOT * age_at_end;
        end.saturating_duration_since(now)
    }

    pub(crate) fn add(&mut self, tokens: u64) -> Counted {
        self.slots[index(self.head)] += u128::from(tokens);
        self.sum += u128::from(tokens);
        Counted { slot: self.head, tokens }
    }

    /// Removes up to `tokens` of the counted tokens, unless they have expired. Returns the removed number.
    pub(crate) fn remove(&mut self, counted: &mut Counted, tokens: u64) -> u64 {
        if self.head - counted.slot >= AGES {
            return 0;
        }
        let taken = tokens.min(counted.tokens);
        counted.tokens -= taken;
        self.slots[index(counted.slot)] -= u128::from(taken);
        self.sum -= u128::from(taken);
        taken
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % AGES).unwrap_or(0)
}

#[cfg(test)]
mod tests;
