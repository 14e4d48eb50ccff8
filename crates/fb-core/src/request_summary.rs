use std::time::Duration;

/// A summary of a request for logs and metrics: names and numbers, never prompt text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent requirement")]
pub struct RequestSummary {
    /// The request's `model` field.
    pub model: String,
    /// `true` if the answer is streamed.
    pub stream: bool,
    /// `true` if the request declares tools.
    pub tools: bool,
    /// `true` if the answer must follow a JSON schema.
    ///
    /// This field, `vision` and `input_tokens` come from the parsed messages; they keep their defaults if the messages
    /// were never parsed.
    pub json_schema: bool,
    /// `true` if the messages contain images.
    pub vision: bool,
    /// Estimated prompt tokens: a quarter of the bytes.
    pub input_tokens: u64,
    /// Maximum number of tokens to generate; `None` if the caller set no limit.
    pub max_output: Option<u64>,
    /// The caller's own deadline.
    pub timeout: Option<Duration>,
}
