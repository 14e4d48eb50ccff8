use serde::Serialize;

/// Token counts of one call, in OpenAI's sense: `input` includes cached tokens, `output` includes reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Prompt tokens, including cached ones.
    pub input: u64,
    /// Generated tokens, including reasoning.
    pub output: u64,
    /// The part of `input` read from the provider's cache.
    pub cached: u64,
    /// The part of `input` written to the provider's cache.
    pub cache_written: u64,
    /// The part of `output` used for reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Returns the sum of input and output.
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
