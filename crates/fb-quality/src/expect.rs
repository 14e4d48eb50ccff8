//! What a golden case expects of its answer.

use fb_core::Reply;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

#[cfg(feature = "schema")]
use crate::schema::Compiled;
use crate::{
    InvalidConfig,
    json::{kind, normal, parse},
    quote::{one_line, quoted},
};

/// What was said to a golden case, as far as it is judged and compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The answer's text, or the words of the refusal.
    pub text: String,
    /// Tools it calls, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Called>,
    /// Whether it is a refusal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// A tool that an answer calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// Its name.
    pub tool: String,
    /// JSON text, as the model wrote it.
    pub arguments: String,
}

impl From<&Reply> for Said {
    fn from(reply: &Reply) -> Self {
        let called =
            |call: &fb_core::ToolCall| Called { tool: call.name.clone(), arguments: call.arguments.clone() };
        Self {
            text: reply.text.clone(),
            calls: reply.tool_calls.iter().map(called).collect(),
            refused: false,
        }
    }
}

impl Said {
    /// A refusal in these words.
    pub fn refusal(words: impl Into<String>) -> Self {
        Self { text: words.into(), calls: Vec::new(), refused: true }
    }
}

/// What a golden case expects of its answer; whatever is not set is not looked at.
///
/// ```
/// # use fb_quality::{Expect, Expectation, Said};
/// let expect = Expect { contains: vec!["Paris".to_owned()], ..Expect::default() };
/// let expectation = Expectation::new(expect)?;
/// let said = |text: &str| Said { text: text.to_owned(), ..Said::default() };
/// assert_eq!(expectation.check(&said("It is PARIS.")), Ok(()));
/// let unmet = expectation.check(&said("It is Rome.")).unwrap_err();
/// assert_eq!(unmet.to_string(), "contains: no `Paris` in `It is Rome.`");
/// # Ok::<(), fb_quality::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// A text, or a list of texts, that all stand in the answer; upper and lower case are the same.
    #[serde(deserialize_with = "one_or_more")]
    pub contains: Vec<String>,
    /// A text, or a list of texts, of which none stands in the answer; upper and lower case are the same.
    #[serde(deserialize_with = "one_or_more")]
    pub lacks: Vec<String>,
    /// The answer: a string is compared without the white space around it, any other value as JSON, `null` too. Numbers are
    /// compared by what they are worth: `4711.0` is `4711`.
    #[serde(deserialize_with = "given")]
    pub equals: Option<Value>,
    /// A JSON schema that the answer follows.
    #[serde(deserialize_with = "given")]
    pub schema: Option<Value>,
    /// A tool that is called.
    #[serde(deserialize_with = "given")]
    pub tool: Option<String>,
    /// Arguments that one call of `tool` has, among others; numbers are compared by what they are worth.
    #[serde(deserialize_with = "given")]
    pub arguments: Option<Map<String, Value>>,
    /// Whether it is refused; false: an answer is expected.
    pub refused: bool,
}

/// What stands there: `null` is a value too, and nowhere the same as nothing.
fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn one_or_more<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        More(Vec<String>),
    }
    let expected = |_untold| serde::de::Error::custom("expected a text or a list of texts");
    Ok(match Texts::deserialize(from).map_err(expected)? {
        Texts::One(text) => vec![text],
        Texts::More(texts) => texts,
    })
}

/// What was expected and is not so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{property}: {message}")]
pub struct Unmet {
    /// The field of [`Expect`].
    pub property: &'static str,
    /// What was found, in at most a few hundred bytes of one line.
    pub message: String,
}

/// An [`Expect`] ready to judge answers.
pub struct Expectation {
    expect: Expect,
    #[cfg(feature = "schema")]
    schema: Option<Compiled>,
}

impl std::fmt::Debug for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expectation").field(&self.expect).finish()
    }
}

impl Expectation {
    /// Prepares the checks.
    ///
    /// # Errors
    /// Names the field that no answer could meet, such as a schema that is none, or that says nothing of any answer.
    pub fn new(expect: Expect) -> Result<Self, InvalidConfig> {
        let says_more = Expect { refused: false, ..expect.clone() } != Expect::default();
        if expect.refused && says_more {
            return Err(InvalidConfig::new("refused", &true, "nothing else beside it"));
        }
        if expect.arguments.is_some() && expect.tool.is_none() {
            return Err(InvalidConfig::new("arguments", &"set", "the `tool` that is called with them"));
        }
        for (field, texts) in [("contains", &expect.contains), ("lacks", &expect.lacks)] {
            if texts.iter().any(String::is_empty) {
                return Err(InvalidConfig::new(field, &"an empty text", "one that an answer may lack"));
            }
        }
        #[cfg(not(feature = "schema"))]
        if expect.schema.is_some() {
            return Err(InvalidConfig::new("schema", &"set", "unset: built without the feature `schema`"));
        }
        Ok(Self {
            #[cfg(feature = "schema")]
            schema: {
                let compiled = expect.schema.as_ref().map(|schema| Compiled::new(&schema.to_string()));
                compiled
                    .transpose()
                    .map_err(|why| InvalidConfig::new("schema", &why, "a JSON schema that can be checked"))?
            },
            expect,
        })
    }

    /// Judges what was said.
    ///
    /// # Errors
    /// The first property that is not met, in the order of the fields of [`Expect`]; whether it was refused comes first.
    pub fn check(&self, said: &Said) -> Result<(), Unmet> {
        let expect = &self.expect;
        match (expect.refused, said.refused) {
            (true, true) => return Ok(()),
            (true, false) => return unmet("refused", format!("answered with {}", quoted(&said.text))),
            (false, true) => return unmet("refused", format!("in the words {}", quoted(&said.text))),
            (false, false) => {}
        }
        let text = said.text.to_lowercase();
        let stands = |part: &&String| text.contains(&part.to_lowercase());
        if let Some(part) = expect.contains.iter().find(|part| !stands(part)) {
            return unmet("contains", format!("no {} in {}", quoted(part), quoted(&said.text)));
        }
        if let Some(part) = expect.lacks.iter().find(stands) {
            return unmet("lacks", format!("{} stands in the answer", quoted(part)));
        }
        if let Some(expected) = &expect.equals {
            equals(expected, &said.text)?;
        }
        self.schema(&said.text)?;
        expect.tool.as_ref().map_or(Ok(()), |tool| called(tool, expect.arguments.as_ref(), said))
    }

    #[cfg(feature = "schema")]
    fn schema(&self, text: &str) -> Result<(), Unmet> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let checked = parse(text).and_then(|value| schema.check(&value, text));
        checked.or_else(|message| unmet("schema", message))
    }

    #[cfg(not(feature = "schema"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other form needs both")]
    fn schema(&self, _text: &str) -> Result<(), Unmet> {
        Ok(())
    }
}

fn equals(expected: &Value, text: &str) -> Result<(), Unmet> {
    if let Value::String(expected) = expected {
        return if expected.trim() == text.trim() {
            Ok(())
        } else {
            unmet("equals", format!("{}, expected {}", quoted(text), quoted(expected)))
        };
    }
    let found = parse(text).or_else(|message| unmet("equals", message))?;
    if normal(found.clone()) == normal(expected.clone()) {
        return Ok(());
    }
    unmet("equals", format!("{}, expected {}", quoted(&found.to_string()), quoted(&expected.to_string())))
}

fn called(tool: &str, arguments: Option<&Map<String, Value>>, said: &Said) -> Result<(), Unmet> {
    let mut of_tool = said.calls.iter().filter(|call| call.tool == tool).peekable();
    if of_tool.peek().is_none() {
        let names: Vec<&str> = said.calls.iter().map(|call| call.tool.as_str()).collect();
        let found = if names.is_empty() { "no tool".to_owned() } else { quoted(&names.join(", ")) };
        return unmet("tool", format!("{found} was called, expected {}", quoted(tool)));
    }
    let Some(expected) = arguments else { return Ok(()) };
    let mut problem = None;
    for call in of_tool {
        match missing(expected, &call.arguments) {
            None => return Ok(()),
            Some(why) => problem = problem.or(Some(why)),
        }
    }
    unmet("arguments", problem.unwrap_or_default())
}

/// Which of the arguments is not there as expected.
fn missing(expected: &Map<String, Value>, arguments: &str) -> Option<String> {
    let found = match parse(arguments) {
        Ok(Value::Object(found)) => found,
        Ok(other) => return Some(format!("{}, expected an object", kind(&other))),
        Err(why) => return Some(why),
    };
    let is_there = |(name, value): &(&String, &Value)| {
        found.get(*name).is_some_and(|found| normal(found.clone()) == normal((*value).clone()))
    };
    let (name, value) = expected.iter().find(|pair| !is_there(pair))?;
    let there = found.get(name).map_or_else(|| "nothing".to_owned(), |value| quoted(&value.to_string()));
    Some(format!("`{name}` is {there}, expected {}", quoted(&value.to_string())))
}

fn unmet<T>(property: &'static str, message: impl AsRef<str>) -> Result<T, Unmet> {
    Err(Unmet { property, message: one_line(message.as_ref()) })
}

#[cfg(test)]
mod tests;
