/// The differences of a provider's dialect from OpenAI's.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent difference")]
pub(crate) struct Quirks {
    pub(crate) flavour: Flavour,
    /// Fields with another name: OpenAI's name, the provider's.
    pub(crate) rename: &'static [(&'static str, &'static str)],
    /// Fields that affect the answer and that the provider rejects or ignores, with the reason. A request with one of
    /// them is refused.
    pub(crate) refuse: &'static [(&'static str, &'static str)],
    /// Fields that the provider rejects and that are not essential to the answer, with the reason. They are left out
    /// with a note.
    pub(crate) drop: &'static [(&'static str, &'static str)],
    /// Values with another name: field, OpenAI's value, the provider's.
    pub(crate) values: &'static [(&'static str, &'static str, &'static str)],
    /// The maximum temperature; a higher one is lowered with a note.
    pub(crate) max_temperature: Option<f64>,
    /// The provider supports the role `developer`; otherwise such messages are sent as `system`.
    pub(crate) developer: bool,
    /// The provider supports JSON schemas; otherwise a request with one is refused.
    pub(crate) json_schema: bool,
    /// The provider reports token counts at the end of a stream if `stream_options` requests them. Other providers
    /// report them always or reject the field.
    pub(crate) stream_usage: bool,
    pub(crate) tool_ids: ToolIds,
    /// The models continue an assistant message at the end of the conversation if it has `"prefix": true`, and reject it
    /// otherwise.
    pub(crate) prefix: bool,
    /// The models are OpenAI's own: its reasoning models reject settings that others accept.
    pub(crate) reasoning_models: bool,
    /// Newer models reject tool calls in the history without a signature of theirs.
    pub(crate) signed_calls: bool,
}

/// The error codes that a server uses beyond OpenAI's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    OpenAi,
    Azure,
    Groq,
    Mistral,
    OpenRouter,
    DeepSeek,
    Xai,
    Gemini,
    Cerebras,
    Vllm,
    LlamaCpp,
    LmStudio,
}

/// The accepted ids of tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolIds {
    Any,
    /// Nine letters and digits; other ids in the history are replaced.
    NineAlphanumeric,
}
