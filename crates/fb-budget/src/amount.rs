//! The money and tokens of a call.

use fb_core::Money;

/// The actual or estimated consumption of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// The cost.
    pub cost: Money,
    /// Input and output tokens.
    pub tokens: u64,
}
