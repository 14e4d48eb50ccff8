use serde::Deserialize;

use crate::Json;

/// What a chat request says, in no provider's dialect.
///
/// Fields this vocabulary has no word for are not lost: they stand in [`Chat::extra`] under their own name, so
/// that a translation can refuse them by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chat {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The functions the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called; `None` when the caller did not say.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called at once; `None` when the caller did not say.
    pub parallel_tools: Option<bool>,
    /// The form the answer must have.
    pub format: Format,
    /// Most tokens to generate; `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How much the model should think; `None` when the caller did not say.
    pub effort: Option<Effort>,
    /// An opaque id of the end user.
    pub user: Option<String>,
    /// What has no word here, in order of appearance.
    pub extra: Vec<Extra>,
}

/// How tokens are chosen; each `None` when the caller did not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// At least 1.
    pub top_k: Option<u32>,
    /// Repeatable sampling, best effort.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

/// A field of the request that this vocabulary has no word for.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    /// Where it stood, such as `logit_bias` or `messages[2].content[0].cache_control`.
    pub path: String,
    /// Its own name, the last part of the path.
    pub name: String,
    /// Its value as it came.
    pub value: Json,
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// Name of the speaker, if the caller gave one.
    pub name: Option<String>,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, name: None, parts: vec![Part::Text(text.into())] }
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The operator's rules.
    System,
    /// OpenAI's newer word for the operator's rules; elsewhere the same as system.
    Developer,
    /// The person.
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
    /// A picture.
    Image(Image),
    /// A refusal the model gave earlier in the conversation.
    Refusal(String),
    /// Thinking the model showed earlier; bound to the provider and model that wrote it.
    Thinking {
        /// The visible text.
        text: String,
        /// The provider's proof that it wrote the text.
        signature: Option<String>,
    },
    /// A call of a tool by the model.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// A kind of content this vocabulary has no word for (audio, files, documents).
    Other {
        /// The dialect's own word for it.
        kind: String,
        /// The whole part as it came.
        value: Json,
    },
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where its bytes are.
    pub source: ImageSource,
    /// How closely to look, in OpenAI's words (`auto`, `low`, `high`).
    pub detail: Option<String>,
}

/// Where the bytes of a picture are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// Behind a URL that the provider fetches.
    Url(String),
    /// In the request.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// Base64 text.
        data: String,
    },
}

/// A function the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON schema of its arguments.
    pub parameters: Option<Json>,
    /// Whether the arguments must follow the schema to the letter.
    pub strict: Option<bool>,
}

/// Whether and which tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None may be called.
    None,
    /// At least one must be called.
    Required,
    /// This one must be called.
    Named(String),
}

/// A call of a tool by the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id of the call; the result refers to it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments: JSON text, as the model wrote it.
    pub arguments: String,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The id of the call it answers.
    pub id: String,
    /// Text and pictures.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// The form the answer must have.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Format {
    /// Any text.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema(Schema),
}

/// A schema the answer must follow.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_field_names, reason = "the field is what the whole is about, and JSON calls it so")]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON schema.
    pub schema: Json,
    /// Whether the provider must enforce it.
    pub strict: Option<bool>,
}

/// How much the model should think, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are the provider's; their order is all that is promised")]
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
    /// The provider's word.
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
