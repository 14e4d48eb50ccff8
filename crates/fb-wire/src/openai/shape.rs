//! What providers send, read as tolerantly as clones of the dialect need it.

use std::{borrow::Cow, fmt, mem};

use fb_core::{FinishReason, Usage};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    WireError,
    errors::{self, ErrorBody},
    value::Fields,
};

/// A whole answer or a chunk of one: they differ in `message` and `delta` only.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
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
    logprobs: Given<IgnoredAny>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    content_filter_results: Option<&'a RawValue>,
}

/// A `message` or a `delta`.
#[derive(Deserialize, Default)]
pub(super) struct Said<'a> {
    role: Option<IgnoredAny>,
    #[serde(default)]
    content: Given<Content>,
    #[serde(default)]
    refusal: Given<Option<String>>,
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

impl<'a> Answer<'a> {
    /// Reads `bytes`; `what` names them in the complaint.
    pub(super) fn read(bytes: &'a [u8], what: &str) -> Result<Self, WireError> {
        // serde takes an array for a struct, too; some providers wrap their errors in one.
        if bytes.trim_ascii_start().starts_with(b"[") {
            let wrapped = serde_json::from_slice::<[&RawValue; 1]>(bytes).is_ok_and(|[inner]| {
                matches!(Self::read(inner.get().as_bytes(), what), Err(WireError::Reported(_)))
            });
            let no_object = || WireError::Malformed(format!("{what} is an array, not an object"));
            return Err(if wrapped { said(bytes) } else { no_object() });
        }
        let answer: Self = serde_json::from_slice(bytes).map_err(|error| malformed(what, &error))?;
        let flat = || lenient::<Cow<'_, str>>(answer.object).is_some_and(|object| object == "error");
        let stopped = || lenient::<Groq<'_>>(answer.x_groq).is_some_and(|groq| truthy(groq.error));
        if truthy(answer.error) || flat() {
            return Err(said(bytes));
        }
        if stopped() {
            return Err(said_inside(lenient::<Groq<'_>>(answer.x_groq).and_then(|groq| groq.error)));
        }
        Ok(answer)
    }

    /// The choice that is the answer: the first of several.
    pub(super) fn choice(&self) -> Option<&Choice<'a>> {
        let choices = self.choices.as_deref().unwrap_or_default();
        choices.iter().find(|choice| lenient::<u64>(choice.index).unwrap_or(0) == 0)
    }

    /// Tokens, wherever this provider counts them.
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
    /// Why the answer ended, if this says so.
    ///
    /// # Errors
    /// When the reason is a failure.
    pub(super) fn finish(&self) -> Result<Option<FinishReason>, WireError> {
        if truthy(self.error) {
            return Err(said_inside(self.error));
        }
        let reason = word(self.finish_reason).unwrap_or_default();
        match &*reason {
            "" => Ok(None),
            "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" => Ok(Some(FinishReason::Stop)),
            "length" | "model_length" | "max_tokens" => Ok(Some(FinishReason::Length)),
            "tool_calls" | "function_call" | "tool_use" => Ok(Some(FinishReason::ToolCalls)),
            "refusal" => Ok(Some(FinishReason::Refusal)),
            // Gemini's OpenAI endpoint adds which filter it was: `content_filter: PROHIBITED_CONTENT`.
            filter if filter.starts_with("content_filter") => Ok(Some(FinishReason::ContentFilter)),
            "insufficient_system_resource" => Err(said(INSUFFICIENT)),
            "error" => Err(said(ENDED_IN_ERROR)),
            bad if bad.eq_ignore_ascii_case("malformed_function_call") => Err(WireError::Malformed(
                "the model wrote a tool call that its provider cannot read".to_owned(),
            )),
            other => Ok(Some(FinishReason::Other(other.to_owned()))),
        }
    }

    /// Which filters cut the answer, in the provider's words.
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

impl<'a> Said<'a> {
    /// Reads a `message` or a `delta`; nothing is an empty one.
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

    /// Thinking, under whichever name; some providers send it under two at once.
    pub(super) fn take_thinking(&mut self) -> String {
        let named = self.reasoning_content.take().filter(|text| !text.is_empty());
        let named = named.or_else(|| lenient::<String>(self.reasoning)).filter(|text| !text.is_empty());
        named.unwrap_or_else(|| mem::take(&mut self.content.value.thinking))
    }
}

impl Answer<'_> {
    /// Whether the body has every field that OpenAI's schema requires; `message` is that of the only choice.
    pub(super) fn is_complete(&self, message: &Said<'_>) -> bool {
        let value = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "\"\"");
        let [choice] = self.choices.as_deref().unwrap_or_default() else { return false };
        let top = value(self.id) && value(self.object) && value(self.model) && self.created.is_some();
        let choice = value(choice.index) && value(choice.finish_reason) && choice.logprobs.there;
        top && choice && message.role.is_some() && message.content.there && message.refusal.there
    }
}

impl<'a> Tool<'a> {
    pub(super) fn index(&self) -> Option<u64> {
        lenient(self.index)
    }

    /// Its id, unless blank.
    pub(super) fn id(&self) -> Option<Cow<'a, str>> {
        word(self.id)
    }

    pub(super) fn called(&self) -> Option<&Function<'a>> {
        self.function.as_ref().or(self.custom.as_ref())
    }
}

impl<'a> Function<'a> {
    /// Its name, unless blank.
    pub(super) fn name(&self) -> Option<Cow<'a, str>> {
        word(self.name)
    }

    /// A piece of its arguments' text; clones that send an object instead mean the object's text.
    pub(super) fn arguments(&self) -> Result<Cow<'a, str>, WireError> {
        let Some(raw) = self.arguments.or(self.input) else { return Ok(Cow::Borrowed("")) };
        if !raw.get().starts_with('"') {
            return Ok(Cow::Borrowed(raw.get()));
        }
        let Borrowable(text) =
            serde_json::from_str(raw.get()).map_err(|error| malformed("a tool call", &error))?;
        Ok(text)
    }
}

#[derive(Deserialize)]
struct Borrowable<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a `content` says: a string, an array of parts, or nothing.
#[derive(Default)]
struct Content {
    text: String,
    thinking: String,
    refusal: String,
}

/// A field, and whether its key is there at all: `null` is a value of some.
#[derive(Default)]
struct Given<T> {
    there: bool,
    value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self { there: true, value })
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

/// The value if it has the wanted type: what a clone gets wrong in a field of little weight costs no answer.
pub(super) fn lenient<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// A string that says something.
pub(super) fn word(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let Borrowable(text) = lenient(raw)?;
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Whether a scripting language would take the value for true: what OpenAI's SDKs ask of `error`.
fn truthy(raw: Option<&RawValue>) -> bool {
    let text = raw.map_or("null", RawValue::get);
    match text.as_bytes() {
        b"null" | b"false" | b"0" | b"\"\"" => false,
        [b'{', inner @ .., b'}'] | [b'[', inner @ .., b']'] => !inner.trim_ascii().is_empty(),
        _ => true,
    }
}

/// The provider says that it failed.
pub(super) fn said(body: &[u8]) -> WireError {
    let body: ErrorBody = errors::read(body);
    WireError::Reported(Box::new(body))
}

fn said_inside(error: Option<&RawValue>) -> WireError {
    let error = error.map_or("null", RawValue::get);
    said(format!(r#"{{"error":{error}}}"#).as_bytes())
}

/// Says where reading failed, and nothing of what stands there.
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

/// Beyond this a count of tokens is a mistake.
const MOST_TOKENS: u64 = 1_000_000_000_000;

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
    // DeepSeek and Moonshot count cached tokens beside `prompt_tokens`, xAI and Perplexity thinking beside
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

/// A count of tokens; nonsense (negative, not a number, absurdly many) counts nothing.
fn count(raw: Option<&RawValue>) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and both ends are filtered"
    )]
    let number = lenient::<u64>(raw).or_else(|| lenient::<f64>(raw).map(|number| number as u64));
    number.filter(|number| *number <= MOST_TOKENS).unwrap_or(0)
}
