//! The wire types.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields of a request that change the answer.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) messages: Vec<Message>,
    #[serde(default = "yes")]
    pub(super) stream: bool,
    #[serde(default)]
    pub(super) tools: Vec<ToolSpec>,
    #[serde(default)]
    pub(super) format: Value,
    #[serde(default)]
    pub(super) options: Options,
}

/// The default of `stream`: Ollama streams unless the request disables it.
fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolSpec {
    pub(super) function: FunctionSpec,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionSpec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) parameters: Value,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    /// A negative number means no limit.
    pub(super) num_predict: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) model: &'a str,
    pub(super) created_at: &'static str,
    pub(super) message: AssistantMessage<'a>,
    pub(super) done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) done_reason: Option<&'a str>,
    #[serde(flatten)]
    pub(super) measures: Option<Measures>,
}

#[derive(Serialize)]
pub(super) struct AssistantMessage<'a> {
    pub(super) role: &'static str,
    pub(super) content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    pub(super) function: Function<'a>,
}

#[derive(Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: Value,
}

/// Times in nanoseconds.
#[derive(Serialize)]
pub(super) struct Measures {
    pub(super) total_duration: u64,
    pub(super) load_duration: u64,
    pub(super) prompt_eval_count: u64,
    pub(super) prompt_eval_duration: u64,
    pub(super) eval_count: u64,
    pub(super) eval_duration: u64,
}

#[derive(Serialize)]
pub(super) struct Failure<'a> {
    pub(super) error: &'a str,
}
