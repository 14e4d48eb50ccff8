//! Parity: the differences between two answers to one golden case.

use serde_json::Value;

use crate::{
    AnswerContent, CalledTool,
    json::{normal, parse},
    quote::{one_line, quoted},
};

/// Returns the first difference between an answer and the primary's that a program would notice: in refusal, form, tool
/// calls or JSON. `None` means that there is none.
///
/// The wording of free text is not compared. The result is one line of at most a few hundred bytes; the only parts of
/// the answers in it are names of tools, cut to length.
///
/// ```
/// # use fb_quality::{AnswerContent, difference};
/// let answer = |text: &str| AnswerContent { text: text.to_owned(), ..AnswerContent::default() };
/// assert_eq!(difference(&answer("Yes."), &answer("Of course!")), None);
/// let differs = difference(&answer(r#"{"sum": 4}"#), &answer("Four."));
/// assert_eq!(differs.as_deref(), Some("text, where the primary gives JSON"));
/// ```
pub fn difference(primary: &AnswerContent, other: &AnswerContent) -> Option<String> {
    let (expected, found) = (Form::from_content(primary), Form::from_content(other));
    match (&expected, &found) {
        (Form::Refusal, Form::Refusal) | (Form::Text, Form::Text) => None,
        (Form::Json(expected), Form::Json(found)) => {
            (expected != found).then(|| "other JSON than the primary's".to_owned())
        }
        (Form::Calls(expected), Form::Calls(found)) => call_difference(expected, found),
        _ => Some(format!("{}, where the primary gives {}", found.name(), expected.name())),
    }
}

enum Form<'a> {
    Refusal,
    Calls(&'a [CalledTool]),
    Json(Value),
    Text,
}

impl<'a> Form<'a> {
    fn from_content(answer: &'a AnswerContent) -> Self {
        if answer.refused {
            return Self::Refusal;
        }
        if !answer.calls.is_empty() {
            return Self::Calls(&answer.calls);
        }
        // A bare number or word is text as well as JSON, so only objects and lists count as JSON.
        match parse(&answer.text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => Self::Json(normal(value)),
            _ => Self::Text,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Refusal => "a refusal",
            Self::Calls(_) => "a tool call",
            Self::Json(_) => "JSON",
            Self::Text => "text",
        }
    }
}

/// Compares tool calls regardless of their order, which parallel calls do not guarantee.
fn call_difference(expected: &[CalledTool], found: &[CalledTool]) -> Option<String> {
    let names = |calls: &[CalledTool]| {
        let mut names: Vec<String> = calls.iter().map(|call| call.tool.clone()).collect();
        names.sort_unstable();
        names
    };
    let (expected_names, found_names) = (names(expected), names(found));
    if expected_names != found_names {
        let [found, expected] = [found_names, expected_names].map(|names| quoted(&names.join(", ")));
        return Some(one_line(&format!("calls {found}, the primary {expected}")));
    }
    let arguments = |calls: &[CalledTool]| {
        let render = |call: &CalledTool| match parse(&call.arguments) {
            Ok(value) => format!("{} {}", call.tool, normal(value)),
            Err(_) => format!("{} {}", call.tool, call.arguments),
        };
        let mut all: Vec<String> = calls.iter().map(render).collect();
        all.sort_unstable();
        all
    };
    (arguments(expected) != arguments(found))
        .then(|| "calls with other arguments than the primary".to_owned())
}

#[cfg(test)]
mod tests;
