use bytes::Bytes;
use fb_core::{Dialect, Raw, Reply};

use super::shape::Line;
use crate::outcome::{Decoded, WireError};

/// Reads the body of an answer with status 200.
///
/// # Errors
/// When the body reports an error, or is not an answer.
pub fn reply(body: &Bytes) -> Result<Decoded, WireError> {
    if body.trim_ascii().is_empty() {
        return Err(WireError::Malformed("the body is empty".to_owned()));
    }
    let line = Line::read(body, "the body")?;
    if !line.has_message() {
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
    use fb_core::{FinishReason, Usage};

    use super::*;

    fn read(line: &str) -> Reply {
        match reply(&Bytes::copy_from_slice(line.as_bytes())) {
            Ok(Decoded::Reply(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn done_reasons_map_to_finish_reasons() {
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
    fn calls_without_ids_get_distinct_ids() {
        let calls = r#"{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{"a":1}}},{"id":"call_x","function":{"name":"g"}}"#;
        let reply = read(&format!(r#"{{"message":{{"tool_calls":[{calls}]}},"done":true}}"#));
        let ids: Vec<&str> = reply.tool_calls.iter().map(|call| call.id.as_str()).collect();
        assert!(ids[0] != ids[1] && ids[2] == "call_x", "{ids:?}");
        let arguments: Vec<&str> = reply.tool_calls.iter().map(|call| call.arguments.as_str()).collect();
        assert_eq!(arguments, [r#"{"a":1}"#, r#"{"a":1}"#, "{}"]);
        assert_eq!((reply.model, reply.usage), (None, None));
    }
}
