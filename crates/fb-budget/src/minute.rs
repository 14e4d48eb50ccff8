//! Tokens of the last minute.

use std::time::{Duration, Instant};

const SLOT: Duration = Duration::from_secs(5);
/// Twelve make a minute; the one in progress comes on top, so that no span of 60 s holds more than the limit.
const SLOTS: usize = 13;
const AGES: u64 = SLOTS as u64;

/// A count that forgets what is older than a minute, 60 to 65 s after it came. A clock that steps back changes nothing.
#[derive(Debug)]
pub(crate) struct Minute {
    limit: u64,
    origin: Option<Instant>,
    /// The number of the newest slot, counted from the origin.
    head: u64,
    slots: [u128; SLOTS],
    /// Of all slots.
    sum: u128,
}

/// Tokens that were counted, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    slot: u64,
    tokens: u64,
}

impl Minute {
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, origin: None, head: 0, slots: [0; SLOTS], sum: 0 }
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, now: Instant) {
        let origin = *self.origin.get_or_insert(now);
        let head = now.saturating_duration_since(origin).as_secs() / SLOT.as_secs();
        for passed in 0..head.saturating_sub(self.head).min(AGES) {
            let slot = &mut self.slots[index(self.head + 1 + passed)];
            self.sum -= *slot;
            *slot = 0;
        }
        self.head = self.head.max(head);
    }

    pub(crate) const fn used(&self) -> u128 {
        self.sum
    }

    /// Whether so many more keep the limit; if not, in how long they would, or `None`: never.
    pub(crate) fn fits(&self, tokens: u64, now: Instant) -> Result<(), Option<Duration>> {
        let limit = u128::from(self.limit);
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
                let age_at_end = u32::try_from(slot + AGES).unwrap_or(u32::MAX);
                let end = self.origin.unwrap_or(now) + SLOT * age_at_end;
                return Err(Some(end.saturating_duration_since(now)));
            }
        }
        Err(None)
    }

    pub(crate) fn add(&mut self, tokens: u64) -> Counted {
        self.slots[index(self.head)] += u128::from(tokens);
        self.sum += u128::from(tokens);
        Counted { slot: self.head, tokens }
    }

    /// Takes back at most so many of the counted tokens, if they are not forgotten by now; says how many it were.
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
