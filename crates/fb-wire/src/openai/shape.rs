//! The shapes that providers send, parsed tolerantly because compatible servers deviate from the dialect.

use std::{borrow::Cow, fmt, mem};

use fb_core::{FinishReason, Usage};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    lenient::{BorrowedString, MAX_TOKENS, lenient, reported_error},
    outcome::WireError,
    value::Fields,
};

/// A whole answer or a chunk of one, which differ only in `message` and `delta`.
#[derive(Deserialize)]
pub(super) struct Completion<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    created: Option<IgnoredAny>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(default)]
    logprobs: Present<IgnoredAny>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    content_filter_results: Option<&'a RawValue>,
}

/// A `message` or a `delta`.
#[derive(Deserialize, Default)]
pub(super) struct Message<'a> {
    role: Option<IgnoredAny>,
    #[serde(default)]
    content: Present<Content>,
    #[serde(default)]
    refusal: Present<Option<String>>,
    reasoning_content: Option<String>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) custom: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

impl<'a> Completion<'a> {
    /// Parses `bytes`; errors name them as `what`.
    pub(super) fn read(bytes: &'a [u8], what: &str) -> Result<Self, WireError> {
        // serde accepts an array for a struct too, and some providers wrap their errors in one.
        if bytes.trim_ascii_start().starts_with(b"[") {
            let wrapped = serde_json::from_slice::<[&RawValue; 1]>(bytes).is_ok_and(|[inner]| {
                matches!(Self::read(inner.get().as_bytes(), what), Err(WireError::Reported(_)))
            });
            let no_object = || WireError::Malformed(format!("{what} is an array, not an object"));
            return Err(if wrapped { reported_error(bytes) } else { no_object() });
        }
        let answer: Self = serde_json::from_slice(bytes).map_err(|error| malformed(what, &error))?;
        let is_flat_error = || lenient::<Cow<'_, str>>(answer.object).is_some_and(|object| object == "error");
        let has_groq_error = || lenient::<Groq<'_>>(answer.x_groq).is_some_and(|groq| truthy(groq.error));
        if truthy(answer.error) || is_flat_error() {
            return Err(reported_error(bytes));
        }
        if has_groq_error() {
            return Err(reported_inside(lenient::<Groq<'_>>(answer.x_groq).and_then(|groq| groq.error)));
        }
        Ok(answer)
    }

    /// Returns the choice with index 0, which is the answer.
    pub(super) fn choice(&self) -> Option<&Choice<'a>> {
        let choices = self.choices.as_deref().unwrap_or_default();
        choices.iter().find(|choice| lenient::<u64>(choice.index).unwrap_or(0) == 0)
    }

    /// Returns the token counts, from any of the known positions.
    pub(super) fn usage(&self) -> Option<Usage> {
        usage(self.usage)
            .or_else(|| usage(lenient::<Groq<'_>>(self.x_groq)?.usage))
            .or_else(|| self.choices.iter().flatten().find_map(|choice| usage(choice.usage)))
    }
}

#[derive(Deserialize)]
struct Groq<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

impl Choice<'_> {
    /// Returns the finish reason, if there is one.
    ///
    /// # Errors
    /// When the reason is a failure.
    pub(super) fn finish(&self) -> Result<Option<FinishReason>, WireError> {
        if truthy(self.error) {
            return Err(reported_inside(self.error));
        }
        let reason = non_empty(self.finish_reason).unwrap_or_default();
        match &*reason {
            "" => Ok(None),
            "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" => Ok(Some(FinishReason::Stop)),
            "length" | "model_length" | "max_tokens" => Ok(Some(FinishReason::Length)),
            "tool_calls" | "function_call" | "tool_use" => Ok(Some(FinishReason::ToolCalls)),
            "refusal" => Ok(Some(FinishReason::Refusal)),
            // Gemini's OpenAI endpoint appends the filter: `content_filter: PROHIBITED_CONTENT`.
            filter if filter.starts_with("content_filter") => Ok(Some(FinishReason::ContentFilter)),
            "insufficient_system_resource" => Err(reported_error(INSUFFICIENT)),
            "error" => Err(reported_error(ENDED_IN_ERROR)),
            bad if bad.eq_ignore_ascii_case("malformed_function_call") => Err(WireError::Malformed(
                "the model wrote a tool call that its provider cannot read".to_owned(),
            )),
            other => Ok(Some(FinishReason::Other(other.to_owned()))),
        }
    }

    /// Names the filters that cut the answer.
    pub(super) fn filters(&self) -> String {
        #[derive(Deserialize)]
        struct Filter {
            filtered: bool,
        }
        let mut names = Vec::new();
        if let Some(results) = lenient::<Fields<'_>>(self.content_filter_results) {
            for (name, result) in results.0 {
                if serde_json::from_str::<Filter>(result).is_ok_and(|filter| filter.filtered) {
                    names.push(name);
                }
            }
        }
        if names.is_empty() {
            "content_filter".to_owned()
        } else {
            format!("content_filter: {}", names.join(", "))
        }
    }
}

const INSUFFICIENT: &[u8] = br#"{"error":{"message":"the provider ran out of system resources","type":"overloaded_error","code":"insufficient_system_resource"}}"#;
const ENDED_IN_ERROR: &[u8] =
    br#"{"error":{"message":"the answer ended with finish_reason error","type":"server_error","code":null}}"#;

impl<'a> Message<'a> {
    /// Parses a `message` or a `delta`; a missing one is empty.
    pub(super) fn read(raw: Option<&'a RawValue>, what: &str) -> Result<Self, WireError> {
        let Some(raw) = raw else { return Ok(Self::default()) };
        serde_json::from_str(raw.get()).map_err(|error| malformed(what, &error))
    }

    pub(super) fn take_text(&mut self) -> String {
        mem::take(&mut self.content.value.text)
    }

    pub(super) fn take_refusal(&mut self) -> Option<String> {
        self.refusal
            .value
            .take()
            .or_else(|| Some(mem::take(&mut self.content.value.refusal)))
            .filter(|text| !text.is_empty())
    }

    /// Takes the thinking from any of the known fields; some providers send it in two of them.
    pub(super) fn take_thinking(&mut self) -> String {
        let named = self.reasoning_content.take().filter(|text| !text.is_empty());
        let named = named.or_else(|| lenient::<String>(self.reasoning)).filter(|text| !text.is_empty());
        named.unwrap_or_else(|| mem::take(&mut self.content.value.thinking))
    }
}

impl Completion<'_> {
    /// Returns true if the body has every field that OpenAI's schema requires; `message` belongs to the only choice.
    pub(super) fn is_complete(&self, message: &Message<'_>) -> bool {
        let value = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "\"\"");
        let [choice] = self.choices.as_deref().unwrap_or_default() else { return false };
        let top = value(self.id) && value(self.object) && value(self.model) && self.created.is_some();
        let choice = value(choice.index) && value(choice.finish_reason) && choice.logprobs.is_present;
        top && choice && message.role.is_some() && message.content.is_present && message.refusal.is_present
    }
}

impl<'a> Tool<'a> {
    pub(super) fn index(&self) -> Option<u64> {
        lenient(self.index)
    }

    /// Returns the id, unless it is blank.
    pub(super) fn id(&self) -> Option<Cow<'a, str>> {
        non_empty(self.id)
    }

    pub(super) fn call(&self) -> Option<&Function<'a>> {
        self.function.as_ref().or(self.custom.as_ref())
    }
}

impl<'a> Function<'a> {
    /// Returns the name, unless it is blank.
    pub(super) fn name(&self) -> Option<Cow<'a, str>> {
        non_empty(self.name)
    }

    /// Returns a part of the arguments' text. Some compatible servers send an object instead; its
    /// JSON text is used.
    pub(super) fn arguments(&self) -> Result<Cow<'a, str>, WireError> {
        let Some(raw) = self.arguments.or(self.input) else { return Ok(Cow::Borrowed("")) };
        if !raw.get().starts_with('"') {
            return Ok(Cow::Borrowed(raw.get()));
        }
        let BorrowedString(text) =
            serde_json::from_str(raw.get()).map_err(|error| malformed("a tool call", &error))?;
        Ok(text)
    }
}

/// The `content`: a string, an array of parts, or `null`.
#[derive(Default)]
struct Content {
    text: String,
    thinking: String,
    refusal: String,
}

/// A field that distinguishes a missing key from `null`.
#[derive(Default)]
struct Present<T> {
    is_present: bool,
    value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Present<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self { is_present: true, value })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

impl Content {
    fn add(&mut self, part: ContentPart<'_>) {
        match part.kind.as_deref() {
            Some("thinking" | "reasoning") => match lenient::<Vec<ContentPart<'_>>>(part.thinking) {
                Some(inner) => self.thinking.extend(inner.into_iter().filter_map(|part| part.text)),
                None => self.thinking.extend(lenient::<String>(part.thinking).or(part.text)),
            },
            Some("refusal") => self.refusal.extend(part.refusal),
            None | Some("text" | "output_text") => self.text.extend(part.text),
            Some(_) => {}
        }
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an array of parts, or null")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content { text, ..Content::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
        let mut content = Content::default();
        while let Some(part) = parts.next_element()? {
            content.add(part);
        }
        Ok(content)
    }
}

#[derive(Deserialize)]
struct ContentPart<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

/// Returns a string that is not blank.
pub(super) fn non_empty(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let BorrowedString(text) = lenient(raw)?;
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Returns true if the value is truthy in a scripting language, which is how OpenAI's SDKs test `error`.
fn truthy(raw: Option<&RawValue>) -> bool {
    let text = raw.map_or("null", RawValue::get);
    match text.as_bytes() {
        b"null" | b"false" | b"0" | b"\"\"" => false,
        [b'{', inner @ .., b'}'] | [b'[', inner @ .., b']'] => !inner.trim_ascii().is_empty(),
        _ => true,
    }
}

fn reported_inside(error: Option<&RawValue>) -> WireError {
    let error = error.map_or("null", RawValue::get);
    reported_error(format!(r#"{{"error":{error}}}"#).as_bytes())
}

/// Creates the error for invalid JSON, with the position but without content.
pub(super) fn malformed(what: &str, error: &serde_json::Error) -> WireError {
    let at = format!("line {} column {}", error.line(), error.column());
    WireError::Malformed(if error.is_data() {
        format!("{what} does not have the shape of a chat completion: {at}")
    } else if error.is_eof() {
        format!("{what} is JSON cut short")
    } else {
        format!("{what} is not JSON: {at}")
    })
}

fn usage(raw: Option<&RawValue>) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Counts<'a> {
        #[serde(borrow)]
        prompt_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        completion_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        total_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        prompt_tokens_details: Option<&'a RawValue>,
        #[serde(borrow)]
        completion_tokens_details: Option<&'a RawValue>,
        #[serde(borrow)]
        prompt_cache_hit_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        cached_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        reasoning_tokens: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    #[expect(clippy::struct_field_names, reason = "the provider's names")]
    struct Details<'a> {
        #[serde(borrow)]
        cached_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        cache_write_tokens: Option<&'a RawValue>,
        #[serde(borrow)]
        reasoning_tokens: Option<&'a RawValue>,
    }
    let counts: Counts<'_> = lenient(raw)?;
    if counts.prompt_tokens.is_none() && counts.completion_tokens.is_none() {
        return None;
    }
    let prompt: Option<Details<'_>> = lenient(counts.prompt_tokens_details);
    let completion: Option<Details<'_>> = lenient(counts.completion_tokens_details);
    // DeepSeek and Moonshot report cached tokens next to `prompt_tokens`, xAI and Perplexity reasoning tokens next to
    // `completion_tokens`.
    let detailed = prompt.as_ref().and_then(|details| details.cached_tokens);
    let cached = count(detailed.or(counts.prompt_cache_hit_tokens).or(counts.cached_tokens));
    let reasoning =
        count(completion.and_then(|details| details.reasoning_tokens).or(counts.reasoning_tokens));
    let (input, mut output) = (count(counts.prompt_tokens), count(counts.completion_tokens));
    if reasoning > 0 && count(counts.total_tokens) == input + output + reasoning {
        output += reasoning;
    }
    Some(Usage {
        input,
        output,
        cached: cached.min(input),
        cache_written: count(prompt.and_then(|details| details.cache_write_tokens)).min(input),
        reasoning: reasoning.min(output),
    })
}

/// Returns a token count; invalid ones (negative, not a number, too large) count as 0.
fn count(raw: Option<&RawValue>) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and both ends are filtered"
    )]
    let number = lenient::<u64>(raw).or_else(|| lenient::<f64>(raw).map(|number| number as u64));
    number.filter(|number| *number <= MAX_TOKENS).unwrap_or(0)
}
