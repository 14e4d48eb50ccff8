//! Expectations: the properties that the answer to a golden case must have.

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

/// The content of an answer to a golden case, as far as it is judged and compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerContent {
    /// The text of the answer or of the refusal.
    pub text: String,
    /// The tool calls, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CalledTool>,
    /// `true` for a refusal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// A tool call in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledTool {
    /// The name of the tool.
    pub tool: String,
    /// The arguments as JSON text, exactly as the model wrote them.
    pub arguments: String,
}

impl From<&Reply> for AnswerContent {
    fn from(reply: &Reply) -> Self {
        let called = |call: &fb_core::ToolCall| CalledTool {
            tool: call.name.clone(),
            arguments: call.arguments.clone(),
        };
        Self {
            text: reply.text.clone(),
            calls: reply.tool_calls.iter().map(called).collect(),
            refused: false,
        }
    }
}

impl AnswerContent {
    /// Creates a refusal with this text.
    pub fn refusal(text: impl Into<String>) -> Self {
        Self { text: text.into(), calls: Vec::new(), refused: true }
    }
}

/// The expected properties of the answer to a golden case; a property that is not set is not checked.
///
/// ```
/// # use fb_quality::{Expect, Expectation, AnswerContent};
/// let expect = Expect { contains: vec!["Paris".to_owned()], ..Expect::default() };
/// let expectation = Expectation::new(expect)?;
/// let answer = |text: &str| AnswerContent { text: text.to_owned(), ..AnswerContent::default() };
/// assert_eq!(expectation.check(&answer("It is PARIS.")), Ok(()));
/// let mismatch = expectation.check(&answer("It is Rome.")).unwrap_err();
/// assert_eq!(mismatch.to_string(), "contains: no `Paris` in `It is Rome.`");
/// # Ok::<(), fb_quality::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// A text, or a list of texts, that all occur in the answer; case-insensitive.
    #[serde(deserialize_with = "one_or_more")]
    pub contains: Vec<String>,
    /// A text, or a list of texts, of which none occurs in the answer; case-insensitive.
    #[serde(deserialize_with = "one_or_more")]
    pub lacks: Vec<String>,
    /// The whole answer: a string is compared without surrounding white space, any other value, including `null`, as
    /// JSON. Numbers are compared by value: `4711.0` equals `4711`.
    #[serde(deserialize_with = "given")]
    pub equals: Option<Value>,
    /// A JSON schema that the answer follows.
    #[serde(deserialize_with = "given")]
    pub schema: Option<Value>,
    /// The name of a tool that is called.
    #[serde(deserialize_with = "given")]
    pub tool: Option<String>,
    /// Arguments that one call of `tool` has, possibly among others; numbers are compared by value.
    #[serde(deserialize_with = "given")]
    pub arguments: Option<Map<String, Value>>,
    /// Expects a refusal instead of an answer. Defaults to false.
    pub refused: bool,
}

/// Deserializes a field that is present, so that `null` is a value and not the absence of one.
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
    // The error of an untagged enum does not name the accepted forms.
    let expected = |_untagged| serde::de::Error::custom("expected a text or a list of texts");
    Ok(match Texts::deserialize(from).map_err(expected)? {
        Texts::One(text) => vec![text],
        Texts::More(texts) => texts,
    })
}

/// The first property of an answer that does not meet its expectation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{property}: {message}")]
#[non_exhaustive]
pub struct Mismatch {
    /// The name of the field of [`Expect`].
    pub property: &'static str,
    /// The finding, on one line of at most a few hundred bytes.
    pub message: String,
}

/// A validated [`Expect`] with its schema compiled.
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
    /// Validates an [`Expect`] and compiles its schema.
    ///
    /// # Errors
    /// Names the first field that no answer could meet, such as an invalid schema, or that every answer meets, such as
    /// an empty text.
    pub fn new(expect: Expect) -> Result<Self, InvalidConfig> {
        let has_more = Expect { refused: false, ..expect.clone() } != Expect::default();
        if expect.refused && has_more {
            return Err(InvalidConfig::expecting("refused", true, "nothing else beside it"));
        }
        if expect.arguments.is_some() && expect.tool.is_none() {
            return Err(InvalidConfig::expecting("arguments", "set", "the `tool` that is called with them"));
        }
        for (field, texts) in [("contains", &expect.contains), ("lacks", &expect.lacks)] {
            if texts.iter().any(String::is_empty) {
                return Err(InvalidConfig::expecting(field, "an empty text", "one that an answer may lack"));
            }
        }
        #[cfg(not(feature = "schema"))]
        if expect.schema.is_some() {
            return Err(InvalidConfig::expecting(
                "schema",
                "set",
                "unset: built without the feature `schema`",
            ));
        }
        Ok(Self {
            #[cfg(feature = "schema")]
            schema: {
                let compiled = expect.schema.as_ref().map(|schema| Compiled::new(&schema.to_string()));
                compiled.transpose().map_err(|why| {
                    InvalidConfig::expecting("schema", why, "a JSON schema that can be checked")
                })?
            },
            expect,
        })
    }

    /// Judges an answer.
    ///
    /// # Errors
    /// Returns the first mismatch: `refused` first, then the other fields of [`Expect`] in their order.
    pub fn check(&self, answer: &AnswerContent) -> Result<(), Mismatch> {
        let expect = &self.expect;
        match (expect.refused, answer.refused) {
            (true, true) => return Ok(()),
            (true, false) => return mismatch("refused", format!("answered with {}", quoted(&answer.text))),
            (false, true) => return mismatch("refused", format!("in the words {}", quoted(&answer.text))),
            (false, false) => {}
        }
        let text = answer.text.to_lowercase();
        let occurs = |part: &&String| text.contains(&part.to_lowercase());
        if let Some(part) = expect.contains.iter().find(|part| !occurs(part)) {
            return mismatch("contains", format!("no {} in {}", quoted(part), quoted(&answer.text)));
        }
        if let Some(part) = expect.lacks.iter().find(occurs) {
            return mismatch("lacks", format!("{} occurs in the answer", quoted(part)));
        }
        if let Some(expected) = &expect.equals {
            equals(expected, &answer.text)?;
        }
        self.schema(&answer.text)?;
        expect.tool.as_ref().map_or(Ok(()), |tool| called(tool, expect.arguments.as_ref(), answer))
    }

    #[cfg(feature = "schema")]
    fn schema(&self, text: &str) -> Result<(), Mismatch> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let checked = parse(text).and_then(|value| schema.check(&value, text));
        checked.or_else(|message| mismatch("schema", message))
    }

    #[cfg(not(feature = "schema"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other form needs both")]
    fn schema(&self, _text: &str) -> Result<(), Mismatch> {
        Ok(())
    }
}

fn equals(expected: &Value, text: &str) -> Result<(), Mismatch> {
    if let Value::String(expected) = expected {
        return if expected.trim() == text.trim() {
            Ok(())
        } else {
            mismatch("equals", format!("{}, expected {}", quoted(text), quoted(expected)))
        };
    }
    let found = parse(text).or_else(|message| mismatch("equals", message))?;
    if normal(found.clone()) == normal(expected.clone()) {
        return Ok(());
    }
    mismatch("equals", format!("{}, expected {}", quoted(&found.to_string()), quoted(&expected.to_string())))
}

fn called(
    tool: &str,
    arguments: Option<&Map<String, Value>>,
    answer: &AnswerContent,
) -> Result<(), Mismatch> {
    let mut of_tool = answer.calls.iter().filter(|call| call.tool == tool).peekable();
    if of_tool.peek().is_none() {
        let names: Vec<&str> = answer.calls.iter().map(|call| call.tool.as_str()).collect();
        let found = if names.is_empty() { "no tool".to_owned() } else { quoted(&names.join(", ")) };
        return mismatch("tool", format!("{found} was called, expected {}", quoted(tool)));
    }
    let Some(expected) = arguments else { return Ok(()) };
    let mut problem = None;
    for call in of_tool {
        match argument_mismatch(expected, &call.arguments) {
            None => return Ok(()),
            Some(why) => problem = problem.or(Some(why)),
        }
    }
    mismatch("arguments", problem.unwrap_or_default())
}

/// Describes the first argument that is missing or differs.
fn argument_mismatch(expected: &Map<String, Value>, arguments: &str) -> Option<String> {
    let found = match parse(arguments) {
        Ok(Value::Object(found)) => found,
        Ok(other) => return Some(format!("{}, expected an object", kind(&other))),
        Err(why) => return Some(why),
    };
    let is_met = |(name, value): &(&String, &Value)| {
        found.get(*name).is_some_and(|found| normal(found.clone()) == normal((*value).clone()))
    };
    let (name, value) = expected.iter().find(|pair| !is_met(pair))?;
    let actual = found.get(name).map_or_else(|| "nothing".to_owned(), |value| quoted(&value.to_string()));
    Some(format!("`{name}` is {actual}, expected {}", quoted(&value.to_string())))
}

fn mismatch<T>(property: &'static str, message: impl AsRef<str>) -> Result<T, Mismatch> {
    Err(Mismatch { property, message: one_line(message.as_ref()) })
}

#[cfg(test)]
mod tests;
