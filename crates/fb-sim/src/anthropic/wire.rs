//! The wire types.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields of a request that change the answer.
#[derive(Debug, Deserialize)]
pub(super) struct MessagesRequest {
    pub(super) model: Option<String>,
    pub(super) max_tokens: Option<u64>,
    pub(super) messages: Option<Vec<Turned>>,
    #[serde(default)]
    pub(super) system: Value,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(default)]
    pub(super) tools: Vec<ToolSpec>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) output_config: Option<OutputConfig>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Turned {
    pub(super) role: String,
    pub(super) content: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolSpec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) input_schema: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolChoice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OutputConfig {
    pub(super) format: Option<OutputFormat>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OutputFormat {
    #[serde(default)]
    pub(super) schema: Value,
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    pub(super) stop_reason: Option<&'a str>,
    pub(super) stop_sequence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_details: Option<StopDetails>,
    pub(super) usage: Usage,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text { text: &'a str },
    ToolUse { id: String, name: &'a str, input: Value },
}

#[derive(Serialize, Clone, Copy)]
pub(super) struct StopDetails {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) category: Option<&'static str>,
    pub(super) explanation: Option<&'static str>,
}

#[derive(Serialize, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the names are Anthropic's")]
pub(super) struct Usage {
    pub(super) input_tokens: u64,
    pub(super) cache_creation_input_tokens: u64,
    pub(super) cache_read_input_tokens: u64,
    pub(super) output_tokens: u64,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: usize, content_block: Block<'a> },
    Ping,
    ContentBlockDelta { index: usize, delta: Delta<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: Stop<'a>, usage: Usage },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Delta<'a> {
    TextDelta { text: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are Anthropic's")]
pub(super) struct Stop<'a> {
    pub(super) stop_reason: &'a str,
    pub(super) stop_sequence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_details: Option<StopDetails>,
}

#[derive(Serialize)]
pub(super) struct Failure<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) error: FailureDetail<'a>,
    pub(super) request_id: String,
}

#[derive(Serialize)]
pub(super) struct FailureDetail<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<ErrorCode<'a>>,
}

#[derive(Serialize)]
pub(super) struct ErrorCode<'a> {
    pub(super) error_code: &'a str,
}

#[derive(Serialize)]
pub(super) struct Counted {
    pub(super) input_tokens: u64,
}

#[derive(Serialize)]
pub(super) struct Models {
    pub(super) data: Vec<Model>,
    pub(super) has_more: bool,
    pub(super) first_id: Option<&'static str>,
    pub(super) last_id: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Model {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) id: &'static str,
    pub(super) display_name: &'static str,
    pub(super) created_at: &'static str,
    pub(super) lifecycle: &'static str,
    pub(super) max_input_tokens: u64,
    pub(super) max_tokens: u64,
}
