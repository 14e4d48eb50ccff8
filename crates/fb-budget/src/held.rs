//! What is reserved of an account.

use crate::{Amount, minute::Counted, stats::TargetSlot};

/// What an account has reserved for one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) target: TargetSlot,
    pub(crate) amount: Amount,
    pub(crate) counted: Option<Counted>,
}
