use serde::{Deserialize, Serialize};

use crate::Json;

/// The content of a chat request, independent of any provider's dialect.
///
/// Fields without an equivalent here are kept in [`Chat::extra`] under their original name, so that an encoder can
/// reject them by name instead of dropping them.
///
/// # Examples
///
/// ```
/// use fb_core::{Chat, ChatRequest, Message, Role};
///
/// let chat = Chat {
///     messages: vec![
///         Message::text(Role::System, "Answer in one sentence."),
///         Message::text(Role::User, "What is a circuit breaker?"),
///     ],
///     max_tokens: Some(100),
///     ..Chat::default()
/// };
/// let request = ChatRequest::from_chat("default", chat);
/// assert_eq!(request.head().max_tokens, Some(100));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chat {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The functions the model may call.
    pub tools: Vec<Tool>,
    /// The tool the model must call, if any; `None` if the caller did not set it.
    pub tool_choice: Option<ToolChoice>,
    /// `true` if the model may call several tools at once; `None` if the caller did not set it.
    pub parallel_tools: Option<bool>,
    /// The required format of the answer.
    pub format: Format,
    /// Maximum number of tokens to generate; `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// The sampling parameters.
    pub sampling: Sampling,
    /// The reasoning effort; `None` if the caller did not set it.
    pub effort: Option<Effort>,
    /// An opaque identifier of the end user.
    pub user: Option<String>,
    /// Fields without an equivalent here, in order of appearance.
    pub extra: Vec<Extra>,
}

/// Sampling parameters; each is `None` if the caller did not set it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// Temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling threshold, 0 to 1.
    pub top_p: Option<f64>,
    /// Number of candidate tokens, at least 1.
    pub top_k: Option<u32>,
    /// Seed for repeatable sampling, on a best-effort basis.
    pub seed: Option<i64>,
    /// Penalty for frequent tokens, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Penalty for tokens already present, -2 to 2.
    pub presence_penalty: Option<f64>,
    /// Sequences that end the answer.
    pub stop: Vec<String>,
}

/// A request field without an equivalent in [`Chat`].
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// The path in the request, such as `logit_bias` or `messages[2].content[0].cache_control`.
    pub path: String,
    /// The field name: the last part of the path.
    pub name: String,
    /// The value as received.
    pub value: Json,
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The author's role.
    pub role: Role,
    /// The author's name, if the caller set one.
    pub name: Option<String>,
    /// The content, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// Creates a message with a single text part.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, name: None, parts: vec![Part::Text(text.into())] }
    }

    /// Creates a message with instructions of the operator.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text)
    }

    /// Creates a message of the end user.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }

    /// Creates a message of the model, such as an earlier answer.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text)
    }

    /// Creates the message with the result of a tool call, given the [id](ToolCall::id) of the call. A [`ToolResult`] as a
    /// part can have images, and can be an error.
    pub fn tool_result(id: impl Into<String>, text: impl Into<String>) -> Self {
        let result = ToolResult { id: id.into(), parts: vec![Part::Text(text.into())], is_error: false };
        Self { role: Role::Tool, name: None, parts: vec![Part::ToolResult(result)] }
    }

    /// Adds a part: text, an [`Image`], a [`ToolCall`] or a [`ToolResult`].
    #[must_use]
    pub fn with(mut self, part: impl Into<Part>) -> Self {
        self.parts.push(part.into());
        self
    }
}

/// The role of a message's author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions of the operator.
    System,
    /// OpenAI's newer name for operator instructions; other dialects treat it as system.
    Developer,
    /// The end user.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// An image.
    Image(Image),
    /// A refusal by the model earlier in the conversation.
    Refusal(String),
    /// Reasoning from an earlier answer; only valid for the provider and model that produced it.
    Thinking {
        /// The visible text.
        text: String,
        /// The provider's signature over the text.
        signature: Option<String>,
    },
    /// A tool call by the model.
    ToolCall(ToolCall),
    /// The result of a tool call.
    ToolResult(ToolResult),
    /// Content of a kind without an equivalent here, such as audio, files or documents.
    Other {
        /// The dialect's name for the kind.
        kind: String,
        /// The whole part as received.
        value: Json,
    },
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Image> for Part {
    fn from(image: Image) -> Self {
        Self::Image(image)
    }
}

impl From<ToolCall> for Part {
    fn from(call: ToolCall) -> Self {
        Self::ToolCall(call)
    }
}

impl From<ToolResult> for Part {
    fn from(result: ToolResult) -> Self {
        Self::ToolResult(result)
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The location of the image data.
    pub source: ImageSource,
    /// The level of detail, in OpenAI's terms (`auto`, `low`, `high`).
    pub detail: Option<String>,
}

impl Image {
    /// Creates an image at a URL that the provider fetches.
    pub fn url(url: impl Into<String>) -> Self {
        Self { source: ImageSource::Url(url.into()), detail: None }
    }

    /// Creates an image that is sent with the request, from its media type such as `image/png` and its data as Base64.
    pub fn base64(media_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            source: ImageSource::Base64 { media_type: media_type.into(), data: data.into() },
            detail: None,
        }
    }
}

/// The location of image data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// A URL that the provider fetches.
    Url(String),
    /// Inline in the request.
    Base64 {
        /// The media type, such as `image/png`.
        media_type: String,
        /// The data as Base64.
        data: String,
    },
}

/// A function the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The name of the function.
    pub name: String,
    /// A description of the function for the model.
    pub description: Option<String>,
    /// The JSON schema of the arguments.
    pub parameters: Option<Json>,
    /// `true` if the arguments must follow the schema exactly.
    pub strict: Option<bool>,
}

impl Tool {
    /// Creates a tool from its name, its description for the model, and the JSON schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: impl Into<Json>) -> Self {
        Self {
            name: name.into(),
            description: Some(description.into()),
            parameters: Some(parameters.into()),
            strict: None,
        }
    }
}

/// The tool calls that the model may or must make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// The model must not call a tool.
    None,
    /// The model must call at least one tool.
    Required,
    /// The model must call this tool.
    Named(String),
}

/// A tool call by the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCall {
    /// The provider's id for the call, referenced by its [`ToolResult`].
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: JSON text as generated by the model.
    pub arguments: String,
}

/// The result of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The id of the corresponding call.
    pub id: String,
    /// The content: text and images.
    pub parts: Vec<Part>,
    /// `true` if the tool failed.
    pub is_error: bool,
}

/// The required format of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Format {
    /// Free text.
    #[default]
    Text,
    /// A JSON object of any shape.
    JsonObject,
    /// JSON that conforms to a schema.
    JsonSchema(Schema),
}

/// A schema that the answer must conform to.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_field_names, reason = "`schema` is the field name in every dialect")]
pub struct Schema {
    /// The name of the schema.
    pub name: String,
    /// A description of the schema for the model.
    pub description: Option<String>,
    /// The JSON schema.
    pub schema: Json,
    /// `true` if the provider must enforce the schema.
    pub strict: Option<bool>,
}

impl Schema {
    /// Creates a schema from its name and the JSON schema.
    pub fn new(name: impl Into<String>, schema: impl Into<Json>) -> Self {
        Self { name: name.into(), description: None, schema: schema.into(), strict: None }
    }
}

/// The reasoning effort, in OpenAI's terms; ordered from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the provider's; only their order is guaranteed")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl Effort {
    /// Returns the name used on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}
