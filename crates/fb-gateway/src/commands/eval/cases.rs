use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
};

use fb::{AnswerContent, ChatRequest, Expect, Expectation, Mismatch};
use serde_json::{Map, Value};

use crate::{jsonl::for_each_line, requests, stdout::open};

/// Most bytes of a case's id.
const MAX_ID: usize = 80;

/// A golden case: a request, and what its answer must be like.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) id: String,
    /// The line it was read from; the same line is the same case.
    pub(super) line: String,
    fields: Map<String, Value>,
    expectation: Expectation,
}

/// Reads cases, one a line.
///
/// # Errors
/// The first line that is no case, as `FILE:LINE`.
pub(super) fn read(file: &Path) -> Result<Vec<Case>, String> {
    from(BufReader::new(open(file)?)).map_err(|(line, error)| match line {
        0 => format!("{}: {error}", file.display()),
        line => format!("{}:{line}  {error}", file.display()),
    })
}

fn from(lines: impl BufRead) -> Result<Vec<Case>, (usize, String)> {
    let (mut cases, mut ids) = (Vec::new(), HashSet::new());
    for_each_line(lines, |line| {
        let case = Case::read(line, cases.len() + 1)?;
        if !ids.insert(case.id.clone()) {
            return Err(format!("id: a second case is called {:?}", case.id));
        }
        cases.push(case);
        Ok(())
    })?;
    if cases.is_empty() { Err((0, "no case; expected one a line".to_owned())) } else { Ok(cases) }
}

impl Case {
    pub(super) fn read(line: &str, number: usize) -> Result<Self, String> {
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
        // What is wrong with the request is known before anybody is asked.
        case.request("default").map(|_request| case)
    }

    /// Its request, to a model of this name.
    pub(super) fn request(&self, model: &str) -> Result<ChatRequest, String> {
        let mut fields = self.fields.clone();
        fields.insert("model".to_owned(), Value::from(model));
        requests::of_fields(fields)
    }

    pub(super) fn check(&self, said: &AnswerContent) -> Result<(), Mismatch> {
        self.expectation.check(said)
    }

    /// What is asked, for people: the last thing that is said.
    pub(super) fn question(&self) -> String {
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
        let read = from(text.as_bytes());
        let ids = read.map(|cases| cases.into_iter().map(|case| case.id).collect::<Vec<_>>());
        let expected = expected.map(|ids| ids.iter().map(|&id| id.to_owned()).collect());
        assert_eq!(ids, expected.map_err(|(line, error)| (line, error.to_owned())));
    }

    #[test]
    fn a_case_is_a_text_or_a_request_with_what_is_expected() {
        check(
            "{\"text\":\"hi\"}\n\n{\"id\":\"b\",\"messages\":[],\"expect\":{\"contains\":\"x\"}}",
            Ok(&["case 1", "b"]),
        );
        let case = Case::read(r#"{"text":"hi","temperature":0,"model":"gone"}"#, 1).unwrap();
        let request = case.request("eval-0").unwrap();
        let said = String::from_utf8(request.raw().unwrap().bytes.to_vec()).unwrap();
        let expected = r#"{"messages":[{"content":"hi","role":"user"}],"model":"eval-0","temperature":0}"#;
        assert_eq!((said.as_str(), case.question().as_str()), (expected, "hi"));
    }

    #[test]
    fn what_is_wrong_with_a_case_is_named() {
        check("\n", Err((0, "no case; expected one a line")));
        check("hi", Err((1, "expected value at line 1 column 1")));
        check(r#"{"id":"a"}"#, Err((1, "expected either `text`, a text, or `messages`")));
        check(r#"{"text":7}"#, Err((1, "expected either `text`, a text, or `messages`")));
        check(r#"{"id":7,"text":"hi"}"#, Err((1, "id: expected a text of 1 to 80 bytes, got 7")));
        check(
            "{\"text\":\"hi\"}\n{\"id\":\"case 1\",\"text\":\"hi\"}",
            Err((2, "id: a second case is called \"case 1\"")),
        );
        check(r#"{"messages":"hi"}"#, Err((1, "messages: expected an array of messages, got a string")));
        check(
            r#"{"text":"hi","expect":{"arguments":{}}}"#,
            Err((1, "expect.arguments: set; expected the `tool` that is called with them")),
        );
    }
}
