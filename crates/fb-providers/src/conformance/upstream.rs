use std::{fmt, time::Duration};

use async_trait::async_trait;
use fb_core::Usage;

/// The text of the answers. Some of its characters take several bytes.
pub const TEXT: &str = "Grüße aus Oslo: 3 °C, klar. 世界 🌍 bleibt.";
/// The tool of [`Scenario::ToolCall`], which takes one argument, `city`.
pub const TOOL: &str = "weather";
/// The arguments of [`Scenario::ToolCall`], JSON text; white space may differ.
pub const ARGUMENTS: &str = r#"{"city":"Oslo"}"#;
/// The prompt of every request, which must not appear in an error.
pub const PROMPT: &str = "conformance-prompt-4f1c";
/// The time to wait of [`Scenario::RateLimited`].
pub const RETRY_AFTER: Duration = Duration::from_secs(7);

/// A behaviour of the upstream, for plain and streamed calls alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// Answers with [`TEXT`]; a stream has it in several chunks and ends in order.
    Text,
    /// Answers with one call of [`TOOL`] with [`ARGUMENTS`].
    ToolCall,
    /// Answers with [`TEXT`], with a first byte that comes late, but within the time limit of the suite.
    SlowFirstByte,
    /// Answers with success and an empty body.
    Empty,
    /// Answers with success and a body of another format, such as a page of HTML.
    Garbage,
    /// Answers with success and a body of more than 64 MiB. Plain calls only.
    Oversized,
    /// Loses the connection after a part of the answer.
    Cut,
    /// Ends the response in order after a part of the answer, without the end signal of the protocol. Streamed calls only.
    EndedEarly,
    /// Rejects the API key (401), with the key in the message if the protocol has messages.
    WrongKey,
    /// Rejects the request as invalid (400).
    InvalidRequest,
    /// Refuses the content by policy.
    PolicyBlock,
    /// Reports a rate limit (429) with [`RETRY_AFTER`] as the time to wait.
    RateLimited,
    /// Reports an internal error (500).
    ServerError,
    /// Reports that it is overloaded (503).
    Overloaded,
    /// Redirects to another address (302).
    Redirect,
    /// Takes the call and never answers.
    Silent,
    /// Streams a part of the answer, then sends nothing more, with the connection open. Streamed calls only.
    Stalled,
}

impl Scenario {
    /// Returns the name used in the names of checks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::ToolCall => "tool call",
            Self::SlowFirstByte => "slow first byte",
            Self::Empty => "empty",
            Self::Garbage => "garbage",
            Self::Oversized => "oversized",
            Self::Cut => "cut",
            Self::EndedEarly => "ended early",
            Self::WrongKey => "wrong key",
            Self::InvalidRequest => "invalid request",
            Self::PolicyBlock => "policy block",
            Self::RateLimited => "rate limited",
            Self::ServerError => "server error",
            Self::Overloaded => "overloaded",
            Self::Redirect => "redirect",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The upstream of the provider under test, controlled by its author.
///
/// # Implementing
///
/// An implementation
///
/// - must play a scenario for every call from [`play`](Self::play) on, until the next one, because the suite repeats calls;
/// - must return `false` for a scenario that it cannot play and for a fact that it does not count. The checks are then reported as
///   skipped; a scenario that is played differently yields failures of a provider that conforms;
/// - must count calls where they arrive, not where the provider makes them, because a retry inside of the provider is a call too.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Plays a scenario from now on. Returns `false` if the upstream cannot.
    async fn play(&self, scenario: Scenario) -> bool;

    /// Returns the number of calls that have arrived, whatever their outcome.
    ///
    /// The default implementation returns `None`: not counted.
    fn calls(&self) -> Option<u64> {
        None
    }

    /// Waits until exactly `open` calls are in flight, then returns `true`. Returns `false` at once if that is not counted. The suite limits
    /// the time.
    ///
    /// The default implementation returns `false`.
    async fn wait_for_open_calls(&self, _open: u64) -> bool {
        false
    }

    /// Returns the token counts that the upstream reports in [`Scenario::Text`].
    ///
    /// The default implementation returns `None`: they are not checked.
    fn usage(&self) -> Option<Usage> {
        None
    }
}
