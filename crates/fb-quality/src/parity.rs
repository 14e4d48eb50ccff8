//! How two answers to one golden case differ.

use serde_json::Value;

use crate::{
    Called, Said,
    json::{normal, parse},
    quote::{one_line, quoted},
};

/// What sets an answer apart from the primary's, as far as a program would notice: refusal, form, tools, and JSON.
/// `None` when nothing does. One line of at most a few hundred bytes; of the answers it quotes names of tools, cut. How free text
/// is worded is not compared.
///
/// ```
/// # use fb_quality::{Said, difference};
/// let said = |text: &str| Said { text: text.to_owned(), ..Said::default() };
/// assert_eq!(difference(&said("Yes."), &said("Of course!")), None);
/// let differs = difference(&said(r#"{"sum": 4}"#), &said("Four."));
/// assert_eq!(differs.as_deref(), Some("text, where the primary gives JSON"));
/// ```
pub fn difference(primary: &Said, other: &Said) -> Option<String> {
    let (theirs, ours) = (Form::of(primary), Form::of(other));
    match (&theirs, &ours) {
        (Form::Refusal, Form::Refusal) | (Form::Text, Form::Text) => None,
        (Form::Json(theirs), Form::Json(ours)) => {
            (theirs != ours).then(|| "other JSON than the primary's".to_owned())
        }
        (Form::Calls(theirs), Form::Calls(ours)) => calls(theirs, ours),
        _ => Some(format!("{}, where the primary gives {}", ours.name(), theirs.name())),
    }
}

enum Form<'a> {
    Refusal,
    Calls(&'a [Called]),
    Json(Value),
    Text,
}

impl<'a> Form<'a> {
    fn of(said: &'a Said) -> Self {
        if said.refused {
            return Self::Refusal;
        }
        if !said.calls.is_empty() {
            return Self::Calls(&said.calls);
        }
        // A bare number or word is text as well as JSON.
        match parse(&said.text) {
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

/// Calls are compared in any order: models that call several tools promise none.
fn calls(theirs: &[Called], ours: &[Called]) -> Option<String> {
    let names = |calls: &[Called]| {
        let mut names: Vec<String> = calls.iter().map(|call| call.tool.clone()).collect();
        names.sort_unstable();
        names
    };
    let (their_names, our_names) = (names(theirs), names(ours));
    if their_names != our_names {
        let [ours, theirs] = [our_names, their_names].map(|names| quoted(&names.join(", ")));
        return Some(one_line(&format!("calls {ours}, the primary {theirs}")));
    }
    let arguments = |calls: &[Called]| {
        let read = |call: &Called| match parse(&call.arguments) {
            Ok(value) => format!("{} {}", call.tool, normal(value)),
            Err(_) => format!("{} {}", call.tool, call.arguments),
        };
        let mut all: Vec<String> = calls.iter().map(read).collect();
        all.sort_unstable();
        all
    };
    (arguments(theirs) != arguments(ours)).then(|| "calls with other arguments than the primary".to_owned())
}

#[cfg(test)]
mod tests;
