//! The result of a scenario.

/// Number of requests that a scenario usually sends, one after the other.
pub(super) const REQUESTS: u64 = 30;

/// The result of a scenario that passed.
pub(crate) struct Summary {
    /// The responses that clients got.
    pub(crate) clients: String,
    /// The calls that providers received.
    pub(crate) providers: String,
}

/// Formats the numbers of calls to the three providers.
pub(super) fn format_calls(calls: [u64; 3]) -> String {
    format!("{} / {} / {}", calls[0], calls[1], calls[2])
}
