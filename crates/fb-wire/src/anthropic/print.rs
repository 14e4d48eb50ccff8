use std::borrow::Cow;

use bytes::Bytes;
use fb_core::{Block, BlockCategory, FinishReason, Reply, ToolCall, Usage};
use serde::Serialize;
use serde_json::{
    Map,
    value::{RawValue, to_raw_value},
};

use crate::{
    print::{block_message, print},
    sse,
};

/// Prints an answer of another dialect in Anthropic's format, with every field that its SDKs require.
///
/// Thinking is left out: without Anthropic's signature it would be rejected when the caller sends it back in the next
/// turn.
pub fn print_reply(reply: &Reply, fallback_model: &str) -> Bytes {
    let text = Some(&*reply.text).filter(|text| !text.is_empty()).map(|text| Content::Text { text });
    let calls = reply.tool_calls.iter().enumerate().map(|(index, call)| Content::ToolUse {
        id: tool_id_or(&call.id, index),
        name: &call.name,
        input: input(call),
    });
    let content = text.into_iter().chain(calls).collect();
    let model = reply.model.as_deref().unwrap_or(fallback_model);
    let details = is_refusal(&reply.finish).then(|| StopDetails::new(None));
    message(reply.id.as_deref(), model, content, Some(stop_reason(&reply.finish)), details, reply.usage)
}

/// Prints a block of another dialect in Anthropic's format; returns its HTTP status and body.
pub fn print_block(block: &Block, model: &str) -> (u16, Bytes) {
    if block.category == BlockCategory::Input {
        return (400, error_body("invalid_request_error", block_message(block), None));
    }
    let text = Some(&*block.partial).filter(|text| !text.is_empty()).map(|text| Content::Text { text });
    let details = Some(StopDetails::new(Some(block_message(block))));
    (200, message(None, model, text.into_iter().collect(), Some("refusal"), details, block.usage))
}

/// Prints Anthropic's error body; `kind` is its `type`, such as `overloaded_error`.
pub fn error_body(kind: &str, message: &str, request_id: Option<&str>) -> Bytes {
    print(&ErrorBody { kind: "error", error: Error { kind, message }, request_id }).into()
}

/// Prints [`error_body`] as an event, which must be the last of its stream.
pub fn error_event(kind: &str, message: &str, request_id: Option<&str>) -> Bytes {
    sse::event(Some("error"), &error_body(kind, message, request_id))
}

pub(super) const fn is_refusal(finish: &FinishReason) -> bool {
    matches!(finish, FinishReason::Refusal | FinishReason::ContentFilter)
}

/// Returns Anthropic's `stop_reason`.
pub(super) fn stop_reason(finish: &FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "end_turn",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
        FinishReason::Other(reason) if reason == "pause_turn" => "pause_turn",
        // Unknown values break strict clients, and `end_turn` would mark the answer as complete.
        FinishReason::Length | FinishReason::Other(_) => "max_tokens",
    }
}

/// Maps an id to Anthropic's alphabet, `^[a-zA-Z0-9_-]+$`.
pub(super) fn tool_id(id: &str) -> Cow<'_, str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.is_empty() {
        Cow::Borrowed("toolu")
    } else if id.chars().all(is_allowed) {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(id.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect())
    }
}

/// Returns [`tool_id`], or an id derived from the index if the provider gave none.
pub(super) fn tool_id_or(id: &str, index: usize) -> Cow<'_, str> {
    if id.is_empty() { Cow::Owned(format!("toolu_{index}")) } else { tool_id(id) }
}

/// Returns the arguments as an object. Text that is not an object is kept under a single key.
fn input(call: &ToolCall) -> Cow<'_, RawValue> {
    let text = call.arguments.trim();
    let text = if text.is_empty() { "{}" } else { text };
    let object = serde_json::from_str::<&RawValue>(text).ok().filter(|value| value.get().starts_with('{'));
    object.map_or_else(|| Cow::Owned(to_raw(&RawArguments { raw_arguments: text })), Cow::Borrowed)
}

#[derive(Serialize)]
struct RawArguments<'a> {
    raw_arguments: &'a str,
}

pub(super) fn message(
    id: Option<&str>,
    model: &str,
    content: Vec<Content<'_>>,
    stop_reason: Option<&'static str>,
    stop_details: Option<StopDetails<'_>>,
    usage: Option<Usage>,
) -> Bytes {
    print(&Message::new(id, model, content, stop_reason, stop_details, usage)).into()
}

fn to_raw<T: Serialize>(value: &T) -> Box<RawValue> {
    #[expect(clippy::expect_used, reason = "only a map with keys other than strings fails to print")]
    to_raw_value(value).expect("structs of strings and numbers print")
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Content<'a>>,
    stop_reason: Option<&'static str>,
    stop_sequence: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<StopDetails<'a>>,
    usage: PrintedUsage,
}

/// The id of an answer without one.
const FALLBACK_ID: &str = "msg_fb";

impl<'a> Message<'a> {
    pub(super) fn new(
        id: Option<&'a str>,
        model: &'a str,
        content: Vec<Content<'a>>,
        stop_reason: Option<&'static str>,
        stop_details: Option<StopDetails<'a>>,
        usage: Option<Usage>,
    ) -> Self {
        Self {
            id: id.unwrap_or(FALLBACK_ID),
            kind: "message",
            role: "assistant",
            model,
            content,
            stop_reason,
            stop_sequence: (),
            stop_details,
            usage: PrintedUsage::from(usage.unwrap_or_default()),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content<'a> {
    Text { text: &'a str },
    ToolUse { id: Cow<'a, str>, name: &'a str, input: Cow<'a, RawValue> },
}

impl<'a> Content<'a> {
    /// Creates the start of a streamed call; its input follows in deltas.
    pub(super) fn tool_use(id: Cow<'a, str>, name: &'a str) -> Self {
        Self::ToolUse { id, name, input: Cow::Owned(to_raw(&Map::new())) }
    }
}

#[derive(Serialize)]
pub(super) struct StopDetails<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: (),
    explanation: Option<&'a str>,
}

impl<'a> StopDetails<'a> {
    pub(super) const fn new(explanation: Option<&'a str>) -> Self {
        Self { kind: "refusal", category: (), explanation }
    }
}

/// Token counts in Anthropic's format; `input_tokens` excludes those read from or written to the cache.
#[derive(Serialize)]
pub(super) struct PrintedUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl From<Usage> for PrintedUsage {
    fn from(usage: Usage) -> Self {
        let thinking_tokens = usage.reasoning;
        Self {
            input_tokens: usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_written),
            cache_creation_input_tokens: usage.cache_written,
            cache_read_input_tokens: usage.cached,
            output_tokens: usage.output,
            output_tokens_details: (thinking_tokens > 0).then_some(OutputDetails { thinking_tokens }),
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Error<'a>,
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}

#[cfg(test)]
mod tests;
