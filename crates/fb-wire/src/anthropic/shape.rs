//! The shapes that providers send, parsed tolerantly because compatible servers deviate from the dialect.

use std::borrow::Cow;

use fb_core::{FinishReason, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    lenient::{BorrowedString, MAX_TOKENS, lenient},
    outcome::WireError,
};

/// A whole answer, or the start of a streamed one.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stop_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    pub(super) fn id(&self) -> Option<String> {
        non_empty(self.id).map(Cow::into_owned)
    }

    pub(super) fn model(&self) -> Option<String> {
        non_empty(self.model).map(Cow::into_owned)
    }

    /// Returns true if this is an error in the format of an answer.
    pub(super) fn is_error(&self) -> bool {
        non_empty(self.kind).is_some_and(|kind| kind == "error")
            || (self.error.is_some() && self.content.is_none())
    }

    pub(super) fn content(&self) -> Result<Vec<Content<'a>>, WireError> {
        let Some(raw) = self.content else {
            return Err(WireError::Malformed("the answer has no content".to_owned()));
        };
        read(raw.get().as_bytes(), "the answer's content")
    }
}

/// A content block, or the start of a streamed one.
#[derive(Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// The supported content blocks.
pub(super) enum Block<'a> {
    Text(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    Tool(ToolUse<'a>),
    /// Hidden thinking, server-side tools and their results, and unknown blocks.
    Other,
}

/// A call of one of the caller's tools.
pub(super) struct ToolUse<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    /// The JSON text of an object.
    pub(super) input: &'a str,
}

impl<'a> Content<'a> {
    pub(super) fn block(&self) -> Result<Block<'a>, WireError> {
        match &*non_empty(self.kind).unwrap_or_default() {
            "text" => text(self.text, "a text block").map(Block::Text),
            "thinking" => text(self.thinking, "a thinking block").map(Block::Thinking),
            "tool_use" => self.tool_use().map(Block::Tool),
            _ => Ok(Block::Other),
        }
    }

    fn tool_use(&self) -> Result<ToolUse<'a>, WireError> {
        let identity = non_empty(self.id).zip(non_empty(self.name));
        let input = self.input.map_or("{}", RawValue::get);
        match identity {
            Some((id, name)) if input.starts_with('{') => Ok(ToolUse { id, name, input }),
            Some(_) => Err(WireError::Malformed("the input of a tool call is no object".to_owned())),
            None => Err(WireError::Malformed("a tool call has no id or no name".to_owned())),
        }
    }
}

/// Parses JSON; errors name it as `what` and quote no content.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, WireError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let at = format!("line {} column {}", error.line(), error.column());
        WireError::Malformed(if error.is_data() {
            format!("{what} does not have the shape of an Anthropic message: {at}")
        } else if error.is_eof() {
            format!("{what} is JSON cut short")
        } else {
            format!("{what} is not JSON: {at}")
        })
    })
}

/// Parses a string; a missing one is empty.
pub(super) fn text<'a>(raw: Option<&'a RawValue>, what: &str) -> Result<Cow<'a, str>, WireError> {
    let Some(raw) = raw else { return Ok(Cow::Borrowed("")) };
    let BorrowedString(text) = read(raw.get().as_bytes(), what)?;
    Ok(text)
}

/// Returns a string that is not empty.
pub(super) fn non_empty(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let BorrowedString(text) = lenient(raw)?;
    Some(text).filter(|text| !text.is_empty())
}

/// Converts the `stop_reason`; `has_tool_calls` corrects servers that report an ordinary end for tool calls.
pub(super) fn finish(stop_reason: Option<&RawValue>, has_tool_calls: bool) -> Option<FinishReason> {
    let reason = non_empty(stop_reason)?;
    Some(match &*reason {
        "end_turn" | "stop_sequence" if has_tool_calls => FinishReason::ToolCalls,
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        other => FinishReason::Other(other.to_owned()),
    })
}

/// Returns the provider's explanation of a refusal; empty if there is none.
pub(super) fn refusal(stop_details: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    struct Details<'a> {
        #[serde(borrow)]
        category: Option<&'a RawValue>,
        #[serde(borrow)]
        explanation: Option<&'a RawValue>,
    }
    let details: Option<Details<'_>> = lenient(stop_details);
    let (category, explanation) =
        details.map_or((None, None), |details| (non_empty(details.category), non_empty(details.explanation)));
    match (category, explanation) {
        (Some(category), Some(explanation)) => format!("{category}: {explanation}"),
        (Some(text), None) | (None, Some(text)) => text.into_owned(),
        (None, None) => String::new(),
    }
}

/// Token counts in the provider's format: `input` excludes tokens read from or written to the cache.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tokens {
    input: Option<u64>,
    cached: Option<u64>,
    cache_written: Option<u64>,
    output: Option<u64>,
    reasoning: Option<u64>,
}

#[derive(Deserialize)]
struct UsageBody<'a> {
    #[serde(borrow)]
    input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_read_input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_creation_input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct OutputDetails<'a> {
    #[serde(borrow)]
    thinking_tokens: Option<&'a RawValue>,
}

impl Tokens {
    pub(super) fn read(raw: Option<&RawValue>) -> Self {
        let Some(body) = lenient::<UsageBody<'_>>(raw) else { return Self::default() };
        let details: Option<OutputDetails<'_>> = lenient(body.output_tokens_details);
        Self {
            input: count(body.input_tokens),
            cached: count(body.cache_read_input_tokens),
            cache_written: count(body.cache_creation_input_tokens),
            output: count(body.output_tokens),
            reasoning: details.and_then(|details| count(details.thinking_tokens)),
        }
    }

    /// Applies later counts, which are totals rather than increments. Zeros are ignored.
    pub(super) fn update(&mut self, later: Self) {
        let newer = |old: Option<u64>, new: Option<u64>| new.filter(|new| *new > 0).or(old).or(new);
        self.input = newer(self.input, later.input);
        self.cached = newer(self.cached, later.cached);
        self.cache_written = newer(self.cache_written, later.cache_written);
        self.output = newer(self.output, later.output);
        self.reasoning = newer(self.reasoning, later.reasoning);
    }

    pub(super) fn usage(self) -> Option<Usage> {
        self.input.or(self.output)?;
        let (cached, cache_written) = (self.cached.unwrap_or(0), self.cache_written.unwrap_or(0));
        let output = self.output.unwrap_or(0);
        Some(Usage {
            input: self.input.unwrap_or(0) + cached + cache_written,
            output,
            cached,
            cache_written,
            reasoning: self.reasoning.unwrap_or(0).min(output),
        })
    }
}

/// Returns a token count; invalid ones (negative, not a number, too large) are ignored.
fn count(raw: Option<&RawValue>) -> Option<u64> {
    lenient(raw).filter(|count| *count <= MAX_TOKENS)
}
