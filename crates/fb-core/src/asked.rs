use std::time::Duration;

/// What a request asked for, in names and numbers; nothing of its prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent need")]
pub struct Asked {
    /// What the caller put into `model`.
    pub model: String,
    /// Whether its answer is a stream.
    pub stream: bool,
    /// Whether it declares tools.
    pub tools: bool,
    /// Whether its answer must follow a schema. As `vision` and `input_tokens`, it is read from the messages if somebody
    /// had to parse them; else it is `false`.
    pub json_schema: bool,
    /// Whether it has pictures.
    pub vision: bool,
    /// Tokens of the prompt: an estimate, a quarter of the bytes.
    pub input_tokens: u64,
    /// Most tokens to generate; `None` when the caller set no limit.
    pub max_output: Option<u64>,
    /// The caller's own deadline.
    pub timeout: Option<Duration>,
}
