use bytes::Bytes;
use fb_core::{Block, BlockCategory, FinishReason, Reply, Usage};
use serde::Serialize;

use crate::sse;

/// Prints an answer as OpenAI prints it, with every field that its schema requires.
pub fn print_reply(reply: &Reply, created: u64, fallback_model: &str) -> Bytes {
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
    completion(reply.id.as_deref(), created, model, message, finish_word(&reply.finish), reply.usage)
}

/// Prints a block of another dialect in OpenAI's form, with its HTTP status.
pub fn print_block(block: &Block, created: u64, model: &str) -> (u16, Bytes) {
    let partial = Some(&*block.partial).filter(|text| !text.is_empty());
    let message = Message { content: partial, ..Message::of_assistant() };
    match block.category {
        BlockCategory::Input => {
            let body =
                error_body(said_of(block), "invalid_request_error", Some("prompt"), Some("content_filter"));
            (400, body)
        }
        BlockCategory::Output => {
            (200, completion(None, created, model, message, "content_filter", block.usage))
        }
        BlockCategory::Refusal => {
            let message = Message { refusal: Some(said_of(block)), ..message };
            (200, completion(None, created, model, message, "stop", block.usage))
        }
    }
}

/// The provider's words about a block, or ours: OpenAI's clients tell a refusal by its text not being empty.
pub(super) fn said_of(block: &Block) -> &str {
    match (block.detail.trim(), block.category) {
        ("", BlockCategory::Refusal) => "The model declined to answer.",
        ("", BlockCategory::Input) => "The prompt was rejected by the provider's content filter.",
        ("", BlockCategory::Output) => "The answer was cut by the provider's content filter.",
        (detail, _) => detail,
    }
}

/// OpenAI's error body; all four keys always stand there.
pub fn error_body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    print(&ErrorBody { error: Error { message, kind, param, code } }).into()
}

/// [`error_body`] as an event of a stream; nothing may follow it.
pub fn error_event(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    sse::event(None, &error_body(message, kind, param, code))
}

/// OpenAI's word for why an answer ended.
pub(super) fn finish_word(finish: &FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Refusal => "stop",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        // A reason outside OpenAI's five words breaks strict clients, and `stop` would call the answer complete.
        FinishReason::Length | FinishReason::Other(_) => "length",
    }
}

/// The id of an answer whose provider gave none.
pub(super) fn made_up_id(created: u64) -> String {
    format!("chatcmpl-fb-{created}")
}

fn completion(
    id: Option<&str>,
    created: u64,
    model: &str,
    message: Message<'_>,
    finish_reason: &'static str,
    usage: Option<Usage>,
) -> Bytes {
    let made_up;
    let id = if let Some(id) = id {
        id
    } else {
        made_up = made_up_id(created);
        &made_up
    };
    let choices = [Choice { index: 0, message, finish_reason, logprobs: () }];
    let usage = usage.map(PrintedUsage::from);
    print(&Completion { id, object: "chat.completion", created, model, choices, usage }).into()
}

/// Prints one of our own structs.
pub(super) fn print<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "only a map with keys other than strings fails to print into a vector"
    )]
    serde_json::to_vec(value).expect("structs of strings and numbers print")
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
    const fn of_assistant() -> Self {
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

/// Tokens in OpenAI's words.
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
