//! The position of a target among the targets that a request may try.

use fb_core::Next;

/// The position of a target among the targets that a request may try, and the terms on which it is called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of callable targets after this one. Each keeps its share of attempts and time.
    pub(super) later: u32,
    /// True if any target follows, callable or not.
    pub(super) is_followed: bool,
    /// True if another target of the level may answer before this one is retried.
    pub(super) elsewhere: bool,
    /// True if the call passes cool-down, health and an open breaker. There is one such call, without retries.
    pub(super) bypass: bool,
}

impl Position {
    /// A target that the request waited for.
    pub(super) const AFTER_WAIT: Self = Self { later: 0, is_followed: true, elsewhere: false, bypass: false };
    /// The one call that is let through when every target is unavailable.
    pub(super) const BYPASS: Self = Self { later: 0, is_followed: false, elsewhere: false, bypass: true };

    /// Returns the decision to record when the request leaves this target.
    pub(super) const fn next(self) -> Next {
        if self.is_followed || self.elsewhere { Next::Hop } else { Next::Nothing }
    }
}
