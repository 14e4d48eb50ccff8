use bytes::Bytes;
use fb_core::{Block, BlockCategory, BlockForm, Dialect, FinishReason, Meta, Raw, Reply, ToolCall};

use super::shape::{Completion, Function, Message, non_empty};
use crate::{
    outcome::{Decoded, WireError},
    value::is_json,
};

/// Reads the body of an answer with status 200.
///
/// # Errors
/// When the body reports an error, or is not an answer.
pub fn reply(body: &Bytes) -> Result<Decoded, WireError> {
    match body.trim_ascii_start().first() {
        None => return Err(WireError::Malformed("the body is empty".to_owned())),
        Some(b'<') => return Err(WireError::Malformed("the body is HTML, not JSON".to_owned())),
        Some(_) => {}
    }
    let answer = Completion::read(body, "the body")?;
    let choice = answer.choice().ok_or_else(|| {
        let what = if answer.choices.is_none() { "has no choices" } else { "has an empty list of choices" };
        WireError::Malformed(format!("the body {what}"))
    })?;
    // The body is complete, so a missing finish reason is an ordinary end.
    let finish = choice.finish()?.unwrap_or_default();
    // Azure may omit the message of an answer that its filter cut.
    if choice.message.is_none() && finish != FinishReason::ContentFilter {
        return Err(WireError::Malformed("choices[0].message is missing or null".to_owned()));
    }
    let mut message = Message::read(choice.message, "choices[0].message")?;
    let raw = Raw { dialect: Dialect::OpenAi, bytes: body.clone() };
    let blocked = |category, detail, partial| Block {
        category,
        detail,
        partial,
        usage: answer.usage(),
        form: BlockForm::Body { status: 200, raw: Some(raw.clone()) },
    };
    if let Some(refusal) = message.take_refusal() {
        return Ok(Decoded::Blocked(blocked(BlockCategory::Refusal, refusal, message.take_text())));
    }
    match finish {
        FinishReason::ContentFilter => {
            let (detail, partial) = (choice.filters(), message.take_text());
            return Ok(Decoded::Blocked(blocked(BlockCategory::Output, detail, partial)));
        }
        FinishReason::Refusal => {
            let detail = "finish_reason: refusal".to_owned();
            return Ok(Decoded::Blocked(blocked(BlockCategory::Refusal, detail, message.take_text())));
        }
        _ => {}
    }
    let tool_calls = tool_calls(&message, finish == FinishReason::Length)?;
    let finish =
        if finish == FinishReason::Stop && !tool_calls.is_empty() { FinishReason::ToolCalls } else { finish };
    let complete = answer.is_complete(&message);
    Ok(Decoded::Reply(Reply {
        meta: Meta::default(),
        id: non_empty(answer.id).map(Into::into),
        model: non_empty(answer.model).map(Into::into),
        thinking: message.take_thinking(),
        text: message.take_text(),
        tool_calls,
        finish,
        usage: answer.usage(),
        raw: Some(raw),
        complete,
    }))
}

fn tool_calls(message: &Message<'_>, cut: bool) -> Result<Vec<ToolCall>, WireError> {
    let mut calls = Vec::new();
    for (index, tool) in message.tool_calls.iter().flatten().enumerate() {
        let at = format!("choices[0].message.tool_calls[{index}]");
        let arguments = match (&tool.function, &tool.custom) {
            (Some(function), _) => arguments(function, &at, cut)?,
            // The input of a custom tool is free text.
            (None, Some(custom)) => serde_json::Value::from(custom.arguments()?).to_string(),
            (None, None) => return Err(WireError::Malformed(format!("{at} calls nothing"))),
        };
        let name = tool.call().and_then(Function::name);
        let name = name.ok_or_else(|| WireError::Malformed(format!("{at} has no name")))?;
        let id = tool.id().map_or_else(|| format!("call_{index}"), Into::into);
        calls.push(ToolCall { id, name: name.into(), arguments });
    }
    if let (Some(function), true) = (&message.function_call, calls.is_empty())
        && let Some(name) = function.name()
    {
        let arguments = arguments(function, "choices[0].message.function_call", cut)?;
        calls.push(ToolCall { id: "call_0".to_owned(), name: name.into(), arguments });
    }
    Ok(calls)
}

/// Returns the arguments of a call, which must be JSON unless the token limit `cut` the answer. Missing ones are an empty
/// object.
fn arguments(function: &Function<'_>, at: &str, cut: bool) -> Result<String, WireError> {
    let text = function.arguments()?;
    match text.trim() {
        "" | "null" => Ok("{}".to_owned()),
        json if cut || is_json(json) => Ok(text.into()),
        _ => Err(WireError::Malformed(format!("{at} has arguments that are not JSON"))),
    }
}

#[cfg(test)]
mod tests;
