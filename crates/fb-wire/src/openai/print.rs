use bytes::Bytes;
use fb_core::{Block, BlockCategory, FinishReason, Reply, Usage};
use serde::Serialize;

use crate::{
    print::{block_message, print},
    sse,
};

/// The values of fields that OpenAI's answers have and those of other dialects lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The time of the answer, in seconds since 1970.
    pub created: u64,
    /// A random number, from which the id of an answer without one is made.
    pub unique: u64,
}

/// Prints an answer in OpenAI's format, with every field that its schema requires.
pub fn print_reply(reply: &Reply, stamp: Stamp, fallback_model: &str) -> Bytes {
    let calls: Vec<Call<'_>> = reply
        .tool_calls
        .iter()
        .map(|call| Call {
            id: &call.id,
            kind: "function",
            function: Function { name: &call.name, arguments: &call.arguments },
        })
        .collect();
    let message = Message {
        role: "assistant",
        content: Some(&*reply.text).filter(|text| !text.is_empty() || calls.is_empty()),
        refusal: None,
        reasoning_content: Some(&*reply.thinking).filter(|text| !text.is_empty()),
        tool_calls: calls,
    };
    let model = reply.model.as_deref().unwrap_or(fallback_model);
    completion(reply.id.as_deref(), stamp, model, message, finish_reason(&reply.finish), reply.usage)
}

/// Prints a block of another dialect in OpenAI's format; returns its HTTP status and body.
pub fn print_block(block: &Block, stamp: Stamp, model: &str) -> (u16, Bytes) {
    let partial = Some(&*block.partial).filter(|text| !text.is_empty());
    let message = Message { content: partial, ..Message::empty() };
    match block.category {
        BlockCategory::Input => {
            let body = error_body(
                block_message(block),
                "invalid_request_error",
                Some("prompt"),
                Some("content_filter"),
            );
            (400, body)
        }
        BlockCategory::Output => {
            (200, completion(None, stamp, model, message, "content_filter", block.usage))
        }
        BlockCategory::Refusal => {
            let message = Message { refusal: Some(block_message(block)), ..message };
            (200, completion(None, stamp, model, message, "stop", block.usage))
        }
    }
}

/// Prints OpenAI's error body; all four keys are always present.
pub fn error_body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    print(&ErrorBody { error: Error { message, kind, param, code } }).into()
}

/// Prints [`error_body`] as an event, which must be the last of its stream.
pub fn error_event(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    sse::event(None, &error_body(message, kind, param, code))
}

/// Returns OpenAI's `finish_reason`.
pub(super) fn finish_reason(finish: &FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Refusal => "stop",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        // Unknown values break strict clients, and `stop` would mark the answer as complete.
        FinishReason::Length | FinishReason::Other(_) => "length",
    }
}

/// Returns an id for an answer without one.
pub(super) fn fallback_id(stamp: Stamp) -> String {
    format!("chatcmpl-fb-{:016x}", stamp.unique)
}

fn completion(
    id: Option<&str>,
    stamp: Stamp,
    model: &str,
    message: Message<'_>,
    finish_reason: &'static str,
    usage: Option<Usage>,
) -> Bytes {
    let fallback;
    let id = if let Some(id) = id {
        id
    } else {
        fallback = fallback_id(stamp);
        &fallback
    };
    let choices = [Choice { index: 0, message, finish_reason, logprobs: () }];
    let usage = usage.map(PrintedUsage::from);
    let created = stamp.created;
    print(&Completion { id, object: "chat.completion", created, model, choices, usage }).into()
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Option<PrintedUsage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    finish_reason: &'static str,
    logprobs: (),
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

impl Message<'_> {
    const fn empty() -> Self {
        Self {
            role: "assistant",
            content: None,
            refusal: None,
            reasoning_content: None,
            tool_calls: Vec::new(),
        }
    }
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Token counts in OpenAI's format.
#[derive(Serialize)]
pub(super) struct PrintedUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for PrintedUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.total(),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cached,
                cache_write_tokens: usage.cache_written,
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: usage.reasoning },
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[cfg(test)]
mod tests;
