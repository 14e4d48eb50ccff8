//! The shapes that Ollama sends: a line of a stream and a whole answer are the same object.

use std::borrow::Cow;

use fb_core::{FinishReason, ToolCall, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{lenient::reported_error, outcome::WireError};

/// A line of a stream, or a whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(default)]
    pub(super) done: bool,
    #[serde(borrow)]
    done_reason: Option<Cow<'a, str>>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Debug, Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    /// Reads `bytes`; errors name them as `what` and quote no content.
    pub(super) fn read(bytes: &'a [u8], what: &str) -> Result<Self, WireError> {
        let bytes = bytes.trim_ascii();
        if bytes.first() == Some(&b'<') {
            return Err(WireError::Malformed(format!("{what} is HTML, not JSON")));
        }
        let line: Self = serde_json::from_slice(bytes).map_err(|error| {
            let problem = if error.is_eof() { "JSON cut short" } else { "not in Ollama's format" };
            WireError::Malformed(format!(
                "{what} is {problem}: line {} column {}",
                error.line(),
                error.column()
            ))
        })?;
        if line.error.is_some_and(|error| error.get() != "null") {
            return Err(reported_error(bytes));
        }
        Ok(line)
    }

    pub(super) const fn has_message(&self) -> bool {
        self.message.is_some()
    }

    /// The model that answered; `None` if the field is missing or empty.
    pub(super) fn model(&self) -> Option<String> {
        self.model.as_deref().filter(|model| !model.is_empty()).map(ToOwned::to_owned)
    }

    pub(super) fn text(&self) -> &str {
        self.message.as_ref().and_then(|message| message.content.as_deref()).unwrap_or_default()
    }

    pub(super) fn thinking(&self) -> &str {
        self.message.as_ref().and_then(|message| message.thinking.as_deref()).unwrap_or_default()
    }

    /// The tool calls of this line; `first_index` is the index of the first one within the whole answer.
    pub(super) fn tool_calls(&self, first_index: usize) -> Vec<ToolCall> {
        let calls =
            self.message.as_ref().and_then(|message| message.tool_calls.as_deref()).unwrap_or_default();
        let call = |(offset, call): (usize, &Call<'_>)| {
            let arguments = call.function.arguments.map_or("{}", RawValue::get);
            let id = match &call.id {
                Some(id) if !id.is_empty() => id.clone().into_owned(),
                _ => generated_id(first_index + offset, &call.function.name, arguments),
            };
            ToolCall { id, name: call.function.name.clone().into_owned(), arguments: arguments.to_owned() }
        };
        calls.iter().enumerate().map(call).collect()
    }

    /// The reason the answer ended. `has_tool_calls` is needed because Ollama reports `stop` for tool calls too.
    pub(super) fn finish(&self, has_tool_calls: bool) -> FinishReason {
        match self.done_reason.as_deref() {
            None | Some("stop" | "") if has_tool_calls => FinishReason::ToolCalls,
            None | Some("stop" | "") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some("tool_calls") => FinishReason::ToolCalls,
            // `load` and `unload` answer an empty conversation.
            Some(other) => FinishReason::Other(other.to_owned()),
        }
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        if self.prompt_eval_count.is_none() && self.eval_count.is_none() {
            return None;
        }
        Some(Usage {
            input: self.prompt_eval_count.unwrap_or_default(),
            output: self.eval_count.unwrap_or_default(),
            ..Usage::default()
        })
    }
}

/// Generates an id for a call without one. It is deterministic, and differs for most other calls, so that results in
/// a long conversation can be matched to their calls.
fn generated_id(index: usize, name: &str, arguments: &str) -> String {
    // FNV-1a.
    let text = name.bytes().chain([0]).chain(arguments.bytes());
    let hash = text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("call_{index}_{:08x}", hash >> 32)
}
