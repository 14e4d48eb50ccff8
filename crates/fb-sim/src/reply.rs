use std::fmt;
use std::time::Duration;

/// Default number of chunks of a streamed answer: few enough for a readable test failure, and enough for cuts between
/// them.
const CHUNKS: usize = 3;

/// The content and the speed of healthy answers.
///
/// # Examples
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
    /// The text. By default, an example of the requested JSON schema, or else "Hello from openai." with the name of the
    /// dialect; answers with tool calls have no text by default.
    pub text: Option<String>,
    /// The tool calls. By default, one generated call if the request forces a tool, or if its last user message contains
    /// "use the tool".
    pub tool_calls: Vec<SimToolCall>,
    /// A refusal with this text, in the form of the dialect.
    pub refusal: Option<String>,
    /// The finish reason, sent verbatim. By default, it follows from the answer.
    pub finish_reason: Option<String>,
    /// The model named in the answer. By default, the requested one.
    pub model: Option<String>,
    /// Delay before the first byte.
    pub latency: Duration,
    /// Number of chunks into which a streamed text is split; 0 counts as 1.
    pub chunks: usize,
    /// Pause between two events of a stream.
    pub gap: Duration,
}

impl SimReply {
    /// Creates a reply with this text, without delay.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Creates a reply that calls one tool, without delay.
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

/// A tool call in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimToolCall {
    /// The name of the tool.
    pub name: String,
    /// The arguments as JSON text. Dialects that transmit arguments as text send it verbatim, so it may be invalid on
    /// purpose.
    pub arguments: String,
}

impl SimToolCall {
    /// Creates a tool call. The arguments may be a `serde_json::Value` or text.
    pub fn new(name: impl Into<String>, arguments: impl fmt::Display) -> Self {
        Self { name: name.into(), arguments: arguments.to_string() }
    }
}
