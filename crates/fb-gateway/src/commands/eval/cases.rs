//! Golden cases.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
};

use fb::{AnswerContent, ChatRequest, Expect, Expectation, Mismatch};
use serde_json::{Map, Value};

use crate::{input, jsonl::for_each_line, requests};

/// Longest id of a case, in bytes.
const MAX_ID: usize = 80;

/// A golden case: a request and the expectation of its answer.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) id: String,
    /// The line of the file, which identifies the case across runs.
    pub(super) line: String,
    fields: Map<String, Value>,
    expectation: Expectation,
}

/// Reads a file of cases, one per line.
///
/// # Errors
/// The first invalid line, as `FILE:LINE`; a file without a case.
pub(super) fn read(file: &Path) -> Result<Vec<Case>, String> {
    read_lines(BufReader::new(input::open(file)?)).map_err(|(line, error)| match line {
        0 => format!("{}: {error}", file.display()),
        line => format!("{}:{line}  {error}", file.display()),
    })
}

fn read_lines(reader: impl BufRead) -> Result<Vec<Case>, (usize, String)> {
    let (mut cases, mut ids) = (Vec::new(), HashSet::new());
    for_each_line(reader, |line| {
        let case = Case::parse(line, cases.len() + 1)?;
        if !ids.insert(case.id.clone()) {
            return Err(format!("id: {:?} is already in use", case.id));
        }
        cases.push(case);
        Ok(())
    })?;
    if cases.is_empty() { Err((0, "no case; expected one per line".to_owned())) } else { Ok(cases) }
}

impl Case {
    pub(super) fn parse(line: &str, number: usize) -> Result<Self, String> {
        let mut fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let id = match fields.remove("id") {
            None => format!("case {number}"),
            Some(Value::String(id)) if !id.is_empty() && id.len() <= MAX_ID => id,
            Some(other) => return Err(format!("id: expected a text of 1 to {MAX_ID} bytes, got {other}")),
        };
        let expect = fields.remove("expect").map_or_else(|| Ok(Expect::default()), serde_json::from_value);
        let expect: Expect = expect.map_err(|error| format!("expect: {error}"))?;
        let expectation = Expectation::new(expect)
            .map_err(|error| format!("expect.{}: {}; {}", error.field, error.value, error.expected))?;
        match (fields.remove("text"), fields.contains_key("messages")) {
            (Some(Value::String(text)), false) => {
                let message = serde_json::json!([{ "role": "user", "content": text }]);
                fields.insert("messages".to_owned(), message);
            }
            (None, true) => {}
            _ => return Err("expected either `text`, a text, or `messages`".to_owned()),
        }
        let case = Self { id, line: line.to_owned(), fields, expectation };
        // Invalid requests are reported before any call.
        case.request("default").map(|_request| case)
    }

    /// Builds the request, with this model.
    pub(super) fn request(&self, model: &str) -> Result<ChatRequest, String> {
        let mut fields = self.fields.clone();
        fields.insert("model".to_owned(), Value::from(model));
        requests::from_fields(fields)
    }

    pub(super) fn check(&self, answer: &AnswerContent) -> Result<(), Mismatch> {
        self.expectation.check(answer)
    }

    /// Returns the content of the last message, for the report.
    pub(super) fn last_message(&self) -> String {
        let last = self.fields.get("messages").and_then(Value::as_array).and_then(|messages| messages.last());
        match last.and_then(|message| message.get("content")) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], (usize, &str)>) {
        let read = read_lines(text.as_bytes());
        let ids = read.map(|cases| cases.into_iter().map(|case| case.id).collect::<Vec<_>>());
        let expected = expected.map(|ids| ids.iter().map(|&id| id.to_owned()).collect());
        assert_eq!(ids, expected.map_err(|(line, error)| (line, error.to_owned())));
    }

    #[test]
    fn case_is_a_text_or_a_request_with_an_expectation() {
        check(
            "{\"text\":\"hi\"}\n\n{\"id\":\"b\",\"messages\":[],\"expect\":{\"contains\":\"x\"}}",
            Ok(&["case 1", "b"]),
        );
        let case = Case::parse(r#"{"text":"hi","temperature":0,"model":"gone"}"#, 1).unwrap();
        let request = case.request("eval-0").unwrap();
        let body = String::from_utf8(request.raw().unwrap().bytes.to_vec()).unwrap();
        let expected = r#"{"messages":[{"content":"hi","role":"user"}],"model":"eval-0","temperature":0}"#;
        assert_eq!((body.as_str(), case.last_message().as_str()), (expected, "hi"));
    }

    #[test]
    fn invalid_cases_are_rejected() {
        check("\n", Err((0, "no case; expected one per line")));
        check("hi", Err((1, "expected value at line 1 column 1")));
        check(r#"{"id":"a"}"#, Err((1, "expected either `text`, a text, or `messages`")));
        check(r#"{"text":7}"#, Err((1, "expected either `text`, a text, or `messages`")));
        check(r#"{"id":7,"text":"hi"}"#, Err((1, "id: expected a text of 1 to 80 bytes, got 7")));
        check(
            "{\"text\":\"hi\"}\n{\"id\":\"case 1\",\"text\":\"hi\"}",
            Err((2, "id: \"case 1\" is already in use")),
        );
        check(r#"{"messages":"hi"}"#, Err((1, "messages: expected an array of messages, got a string")));
        check(
            r#"{"text":"hi","expect":{"arguments":{}}}"#,
            Err((1, "expect.arguments: set; expected the `tool` that is called with them")),
        );
    }
}
