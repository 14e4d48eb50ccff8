use std::borrow::Cow;

use bytes::Bytes;
use fb_core::{Dialect, FinishReason, Raw, Reply, ToolCall, Usage};
use fb_wire::{Decoded, WireError, errors};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A line of a stream, or a whole answer: both have the same shape.
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
    tool_calls: Option<Vec<Called<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Called<'a> {
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
    /// Reads it; `what` names it in an error.
    pub(super) fn read(bytes: &'a [u8], what: &str) -> Result<Self, WireError> {
        let bytes = bytes.trim_ascii();
        if bytes.first() == Some(&b'<') {
            return Err(WireError::Malformed(format!("{what} is HTML, not JSON")));
        }
        let line: Self = serde_json::from_slice(bytes).map_err(|error| {
            let cut = if error.is_eof() { "cut short" } else { "none of Ollama's" };
            WireError::Malformed(format!("{what} is {cut}: line {} column {}", error.line(), error.column()))
        })?;
        if line.error.is_some_and(|error| error.get() != "null") {
            return Err(WireError::Said(Box::new(errors::read(bytes))));
        }
        Ok(line)
    }

    pub(super) fn model(&self) -> Option<String> {
        self.model.as_deref().filter(|model| !model.is_empty()).map(ToOwned::to_owned)
    }

    pub(super) fn text(&self) -> &str {
        self.message.as_ref().and_then(|message| message.content.as_deref()).unwrap_or_default()
    }

    pub(super) fn thinking(&self) -> &str {
        self.message.as_ref().and_then(|message| message.thinking.as_deref()).unwrap_or_default()
    }

    /// The calls of this line; the first is the answer's call number `from`.
    pub(super) fn tool_calls(&self, from: usize) -> Vec<ToolCall> {
        let calls =
            self.message.as_ref().and_then(|message| message.tool_calls.as_deref()).unwrap_or_default();
        let call = |(place, call): (usize, &Called<'_>)| {
            let arguments = call.function.arguments.map_or("{}", RawValue::get);
            let id = match &call.id {
                Some(id) if !id.is_empty() => id.clone().into_owned(),
                _ => made_up_id(from + place, &call.function.name, arguments),
            };
            ToolCall { id, name: call.function.name.clone().into_owned(), arguments: arguments.to_owned() }
        };
        calls.iter().enumerate().map(call).collect()
    }

    /// Why the answer ended; `called` says whether it called tools, which Ollama calls a stop as well.
    pub(super) fn finish(&self, called: bool) -> FinishReason {
        match self.done_reason.as_deref() {
            None | Some("stop" | "") if called => FinishReason::ToolCalls,
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

/// An id for a call that has none: the same for the same call, another for most others, so that results in a long
/// conversation find their calls.
fn made_up_id(place: usize, name: &str, arguments: &str) -> String {
    let text = name.bytes().chain([0]).chain(arguments.bytes());
    let hash = text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("call_{place}_{:08x}", hash >> 32)
}

/// Reads a whole answer.
pub(super) fn reply(body: &Bytes) -> Result<Decoded, WireError> {
    if body.trim_ascii().is_empty() {
        return Err(WireError::Malformed("the body is empty".to_owned()));
    }
    let line = Line::read(body, "the body")?;
    if line.message.is_none() {
        return Err(WireError::Malformed("the body has no message".to_owned()));
    }
    let tool_calls = line.tool_calls(0);
    Ok(Decoded::Reply(Reply {
        model: line.model(),
        text: line.text().to_owned(),
        thinking: line.thinking().to_owned(),
        finish: line.finish(!tool_calls.is_empty()),
        tool_calls,
        usage: line.usage(),
        raw: Some(Raw { dialect: Dialect::Ollama, bytes: body.clone() }),
        ..Reply::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Reply {
        match reply(&Bytes::copy_from_slice(line.as_bytes())) {
            Ok(Decoded::Reply(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reasons_to_end() {
        let call = r#"{"function":{"name":"f","arguments":{"a":1}}}"#;
        for (reason, calls, expected) in [
            (r#""stop""#, "", FinishReason::Stop),
            (r#""stop""#, call, FinishReason::ToolCalls),
            ("null", "", FinishReason::Stop),
            (r#""length""#, "", FinishReason::Length),
            (r#""length""#, call, FinishReason::Length),
            (r#""load""#, "", FinishReason::Other("load".to_owned())),
            (r#""unload""#, "", FinishReason::Other("unload".to_owned())),
        ] {
            let line = format!(
                r#"{{"model":"m","message":{{"content":"x","thinking":"hm","tool_calls":[{calls}]}},"done":true,"done_reason":{reason},"prompt_eval_count":9,"eval_count":2}}"#
            );
            let reply = read(&line);
            assert_eq!(reply.finish, expected, "{line}");
            assert_eq!((reply.thinking.as_str(), reply.usage.map(Usage::total)), ("hm", Some(11)));
        }
    }

    #[test]
    fn calls_without_ids_get_some_that_differ() {
        let calls = r#"{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{"a":1}}},{"id":"call_x","function":{"name":"g"}}"#;
        let reply = read(&format!(r#"{{"message":{{"tool_calls":[{calls}]}},"done":true}}"#));
        let ids: Vec<&str> = reply.tool_calls.iter().map(|call| call.id.as_str()).collect();
        assert!(ids[0] != ids[1] && ids[2] == "call_x", "{ids:?}");
        let arguments: Vec<&str> = reply.tool_calls.iter().map(|call| call.arguments.as_str()).collect();
        assert_eq!(arguments, [r#"{"a":1}"#, r#"{"a":1}"#, "{}"]);
        assert_eq!((reply.model, reply.usage), (None, None));
    }
}
