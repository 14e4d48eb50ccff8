//! The record of one account on disk.

use std::collections::BTreeMap;

use crate::calendar::Calendar;

/// The records of all accounts, by name.
pub(crate) type Records = BTreeMap<String, Record>;

/// The record of one account on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) calendar: Calendar,
    /// Nano-dollars ever spent.
    pub(crate) total: u64,
    /// Nano-dollars that may have been spent beyond the total.
    pub(crate) ahead: u64,
}
