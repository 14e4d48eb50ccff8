//! What an account may still use of its limits per minute.

use std::time::Duration;

/// The state of one limit per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The limit.
    pub limit: u64,
    /// What is left of it, without what calls in flight have reserved.
    pub remaining: u64,
    /// The time until all of it is left again, if nothing more is used.
    pub resets_in: Duration,
}

/// The state of the limits per minute of an account; `None` where there is no such limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowances {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens, input and output.
    pub tokens: Option<Allowance>,
}

impl Allowances {
    /// Returns for each limit the one of which the smaller share is left.
    pub(crate) fn or_stricter(self, other: Self) -> Self {
        Self {
            requests: stricter(self.requests, other.requests),
            tokens: stricter(self.tokens, other.tokens),
        }
    }
}

fn stricter(one: Option<Allowance>, other: Option<Allowance>) -> Option<Allowance> {
    let (Some(own), Some(others)) = (one, other) else { return one.or(other) };
    // The shares are compared as fractions.
    let share = |of: Allowance, to: Allowance| u128::from(of.remaining) * u128::from(to.limit);
    Some(if share(others, own) < share(own, others) { others } else { own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_share_that_is_left_is_the_stricter_one() {
        let of = |remaining, limit| Some(Allowance { limit, remaining, resets_in: Duration::ZERO });
        for (one, other, expected) in [
            (None, None, None),
            (of(5, 10), None, of(5, 10)),
            (None, of(5, 10), of(5, 10)),
            (of(5, 10), of(49, 100), of(49, 100)),
            (of(5, 10), of(50, 100), of(5, 10)),
            (of(0, 1), of(0, u64::MAX), of(0, 1)),
            (of(u64::MAX, u64::MAX), of(1, 2), of(1, 2)),
        ] {
            assert_eq!(stricter(one, other), expected, "{one:?} and {other:?}");
        }
    }
}
