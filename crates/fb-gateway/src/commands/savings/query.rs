//! One line of the file of requests.

use fb::{Chat, ChatRequest, Facts, Message, Role, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::requests;

/// One request of the file.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) request: ChatRequest,
    tokens: Tokens,
}

/// The tokens of a request, as far as the file has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tokens {
    input: Option<u64>,
    output: Option<u64>,
}

/// The fields of a line with a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextLine {
    text: String,
    model: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    max_tokens: Option<u32>,
}

/// Most tokens of a prompt or an answer: more than any model takes, and few enough that sums of money do not overflow.
const MAX_TOKENS: u64 = 10_000_000;

impl Query {
    /// Parses a line: JSON if it begins with a brace, otherwise a text.
    pub(super) fn parse(line: &str, route: &str) -> Result<Self, String> {
        let query = if line.starts_with('{') {
            let fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
            if fields.contains_key("messages") {
                Self::from_messages(fields, route)?
            } else {
                Self::from_text(fields, route)?
            }
        } else {
            Self { request: text_request(route.to_owned(), line.to_owned(), None), tokens: Tokens::default() }
        };
        for (name, tokens) in [("input_tokens", query.tokens.input), ("output_tokens", query.tokens.output)] {
            if let Some(tokens) = tokens.filter(|tokens| *tokens > MAX_TOKENS) {
                return Err(format!("{name}: expected at most {MAX_TOKENS}, got {tokens}"));
            }
        }
        Ok(query)
    }

    fn from_text(fields: Map<String, Value>, route: &str) -> Result<Self, String> {
        let TextLine { text, model, input_tokens, output_tokens, max_tokens } =
            serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        let model = model.unwrap_or_else(|| route.to_owned());
        let tokens = Tokens { input: input_tokens, output: output_tokens };
        Ok(Self { request: text_request(model, text, max_tokens), tokens })
    }

    fn from_messages(mut fields: Map<String, Value>, route: &str) -> Result<Self, String> {
        let mut take = |name: &str| match fields.remove(name) {
            None => Ok(None),
            Some(Value::Number(tokens)) if tokens.is_u64() => Ok(tokens.as_u64()),
            Some(other) => Err(format!("{name}: expected a number, got {other}")),
        };
        let tokens = Tokens { input: take("input_tokens")?, output: take("output_tokens")? };
        fields.entry("model").or_insert_with(|| Value::from(route));
        Ok(Self { request: requests::from_fields(fields)?, tokens })
    }

    /// Returns the tokens in the file, otherwise the usual estimates: a quarter of the bytes as input tokens; as output
    /// tokens the limit of the request, otherwise 1,024.
    pub(super) fn usage(&self) -> Result<Usage, String> {
        let facts = Facts::from_request(&self.request)
            .with_messages(self.request.chat().map_err(ToString::to_string)?);
        let input = self.tokens.input.unwrap_or(facts.input_tokens);
        let output = self.tokens.output.unwrap_or_else(|| facts.expected_output());
        Ok(Usage { input, output, ..Usage::default() })
    }
}

fn text_request(model: String, text: String, max_tokens: Option<u32>) -> ChatRequest {
    let messages = vec![Message::text(Role::User, text)];
    ChatRequest::from_chat(model, Chat { messages, max_tokens, ..Chat::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<(&str, u64, u64), &str>) {
        let read = Query::parse(line, "default").and_then(|query| {
            let usage = query.usage()?;
            Ok((query.request.head().model.clone(), usage.input, usage.output))
        });
        let read = read.as_ref().map(|(model, input, output)| (model.as_str(), *input, *output));
        assert_eq!(read.map_err(String::as_str), expected, "{line}");
    }

    #[test]
    fn line_is_a_text_an_object_or_a_chat_request() {
        check("What is it?", Ok(("default", 3, 1_024)));
        check(r#"{"text": "12345678", "output_tokens": 300}"#, Ok(("default", 2, 300)));
        check(r#"{"text": "12345678", "model": "small", "max_tokens": 50}"#, Ok(("small", 2, 50)));
        check(r#"{"text": "12345678", "input_tokens": 1000, "output_tokens": 2}"#, Ok(("default", 1_000, 2)));
        check(
            r#"{"messages": [{"role": "user", "content": "1234"}], "max_tokens": 7, "input_tokens": 9}"#,
            Ok(("default", 9, 7)),
        );
        check(
            r#"{"messages": [{"role": "user", "content": "1234"}], "max_tokens": 7}"#,
            Ok(("default", 1, 7)),
        );
        check(
            r#"{"model": "a/m", "messages": [{"role": "user", "content": "1234"}], "max_tokens": 7, "output_tokens": 3}"#,
            Ok(("a/m", 1, 3)),
        );
    }

    #[test]
    fn invalid_lines_are_rejected() {
        check("{", Err("EOF while parsing an object at line 1 column 1"));
        check(
            r#"{"txt": "hi"}"#,
            Err(
                "unknown field `txt`, expected one of `text`, `model`, `input_tokens`, `output_tokens`, `max_tokens`",
            ),
        );
        check(
            r#"{"text": "hi", "output_tokens": 99999999}"#,
            Err("output_tokens: expected at most 10000000, got 99999999"),
        );
        check(
            r#"{"text": "hi", "input_tokens": 99999999}"#,
            Err("input_tokens: expected at most 10000000, got 99999999"),
        );
        check(
            r#"{"messages": [], "output_tokens": "many"}"#,
            Err("output_tokens: expected a number, got \"many\""),
        );
        check(r#"{"messages": "hi"}"#, Err("messages: expected an array of messages, got a string"));
    }
}
