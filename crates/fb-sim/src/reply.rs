use std::fmt;
use std::time::Duration;

/// Stream pieces of a healthy answer: few enough to read in a failing test, enough to be cut between.
const CHUNKS: usize = 3;

/// What healthy answers say, and how fast.
///
/// ```
/// use std::time::Duration;
/// use fb_sim::SimReply;
///
/// let slow = SimReply {
///     latency: Duration::from_millis(200),
///     chunks: 10,
///     gap: Duration::from_millis(20),
///     ..SimReply::text("Forty-two.")
/// };
/// assert_eq!(slow.text.as_deref(), Some("Forty-two."));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimReply {
    /// The text. `None`: an example of the JSON schema if the request asks for one, else "Hello from openai."
    /// with the name of the dialect, or nothing beside tool calls.
    pub text: Option<String>,
    /// Tools the answer calls. Empty: one generated call where the request forces a tool, or where its last
    /// user message says "use the tool".
    pub tool_calls: Vec<SimToolCall>,
    /// The model declines with these words, in the dialect's own form.
    pub refusal: Option<String>,
    /// The finish reason to send, word for word. `None`: the one that follows from the answer.
    pub finish_reason: Option<String>,
    /// The model to name in the answer. `None`: the one asked for.
    pub model: Option<String>,
    /// How long the answer waits before its first byte.
    pub latency: Duration,
    /// Into how many pieces a streamed text is split. 0 counts as 1.
    pub chunks: usize,
    /// The pause between two events of a stream.
    pub gap: Duration,
}

impl SimReply {
    /// Says `text`, at once.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Calls one tool, at once.
    pub fn tool_call(name: impl Into<String>, arguments: impl fmt::Display) -> Self {
        Self { tool_calls: vec![SimToolCall::new(name, arguments)], ..Self::default() }
    }
}

impl Default for SimReply {
    fn default() -> Self {
        Self {
            text: None,
            tool_calls: Vec::new(),
            refusal: None,
            finish_reason: None,
            model: None,
            latency: Duration::ZERO,
            chunks: CHUNKS,
            gap: Duration::ZERO,
        }
    }
}

/// A tool call an answer makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimToolCall {
    /// The tool's name.
    pub name: String,
    /// JSON text, sent as it is where the dialect sends text: it may be broken on purpose.
    pub arguments: String,
}

impl SimToolCall {
    /// Takes a `serde_json::Value` or text as arguments.
    pub fn new(name: impl Into<String>, arguments: impl fmt::Display) -> Self {
        Self { name: name.into(), arguments: arguments.to_string() }
    }
}
