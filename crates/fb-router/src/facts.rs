//! The properties of a request that routing depends on.

use std::sync::LazyLock;

use fb_core::{Chat, ChatRequest, Format, InvalidRequest, Money, Part, Usage};
use memchr::memmem::Finder;
use serde::Deserialize;

use crate::{Candidate, Strategy};

/// Bytes per token; about right for English text and JSON.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens per image; about what providers count for a photo.
const IMAGE_TOKENS: u64 = 1_000;
/// Base64 characters of audio per token: 32 tokens per second (Gemini's rate, the highest) of speech as MP3 at 64 kbit/s.
const AUDIO_CHARS_PER_TOKEN: u64 = 333;
/// Tokens per page of a document: the upper end of the 1,500 to 3,000 that Anthropic documents.
const PAGE_TOKENS: u64 = 3_000;
/// Base64 characters per page of a document, about those of a scanned page of 200 kB.
const PAGE_CHARS: u64 = 266_000;
/// The output assumed for a request without a limit: a long answer to a person's question.
const DEFAULT_OUTPUT: u64 = 1_024;

/// Bodies up to this size, in bytes, count as text in estimates of cost.
const SMALL_BODY: usize = 4_096;
/// The number of consecutive characters of base64 that text does not have.
const BASE64_RUN: usize = 512;

/// The properties of a request that routing depends on. The default is a request that every target may serve.
///
/// # Examples
///
/// ```
/// use fb_core::ChatRequest;
/// use fb_router::Facts;
///
/// let request = ChatRequest::user("why is the sky blue?");
/// let facts = Facts { sticky_key: Some("user-7"), ..Facts::from_request(&request) };
/// assert_eq!(facts.input_tokens, 5);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts<'a> {
    /// The capabilities that a target needs.
    pub needs: Needs,
    /// The estimated tokens of the prompt: a quarter of its bytes, rounded up.
    pub input_tokens: u64,
    /// The maximum number of tokens to generate; `None` if the caller set no limit.
    pub max_output: Option<u64>,
    /// Set if the request may declare tools that the provider runs. Such a request must not be sent twice, because the
    /// tools would run twice.
    pub server_tools: bool,
    /// The regions in which the request may be computed; `None` allows any region.
    pub regions: Option<&'a [String]>,
    /// The class of the request's data, for which a target must be approved; `None` needs no approval.
    pub data_class: Option<&'a str>,
    /// The providers and targets that may see the request, each a `PROVIDER` or a `PROVIDER/MODEL`; `None` allows any.
    pub allowed: Option<&'a [String]>,
    /// The maximum cost of the request.
    pub ceiling: Option<Money>,
    /// The provider or target to try before all others, a `PROVIDER` or a `PROVIDER/MODEL`.
    pub preferred: Option<&'a str>,
    /// The key for the strategy `sticky`.
    pub sticky_key: Option<&'a str>,
}

/// The capabilities that a request needs of a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent need")]
pub struct Needs {
    /// Function calls.
    pub tools: bool,
    /// Several function calls at once.
    pub parallel_tools: bool,
    /// Answers that follow a JSON schema.
    pub json_schema: bool,
    /// Image input.
    pub vision: bool,
    /// Streamed answers.
    pub streaming: bool,
}

impl Facts<'_> {
    /// Reads the facts of a request without parsing a raw body; typed content is read completely.
    ///
    /// Anything the head of a raw body leaves open is assumed to be the worst case: declared tools count as run by the
    /// provider, and all bytes count as text.
    pub fn from_request(request: &ChatRequest) -> Self {
        let head = request.head();
        let needs = Needs { tools: head.tools, streaming: head.stream, ..Needs::default() };
        let facts = Self {
            needs,
            max_output: head.max_tokens.map(u64::from),
            server_tools: head.tools,
            ..Self::default()
        };
        let Some(raw) = request.raw() else {
            return match request.chat() {
                Ok(chat) => facts.with_messages(chat),
                Err(_) => facts,
            };
        };
        let declares_server_tools = raw.fields.iter().any(|field| is_server_tools_field(&field.name));
        let input_tokens = estimate_tokens(size(raw.bytes.len()));
        Self { input_tokens, server_tools: head.tools || declares_server_tools, ..facts }
    }

    /// Reads the facts that matter for these candidates and this strategy.
    ///
    /// The body is parsed only if the head is not enough to decide, because a candidate has a limit or the strategy
    /// starts several calls.
    ///
    /// # Errors
    /// Returns the parse error if the body had to be parsed and does not follow its dialect.
    pub fn for_candidates<'r>(
        request: &'r ChatRequest,
        candidates: &[Candidate<'_>],
        strategy: Strategy,
    ) -> Result<Self, &'r InvalidRequest> {
        let facts = Self::from_request(request);
        let is_limited = |candidate: &Candidate<'_>| {
            let able = candidate.capabilities;
            let too_long = able.context.is_some_and(|context| facts.max_total_tokens() > context);
            let one_call = facts.needs.tools && !candidate.parallel_tools;
            !able.vision || !able.json_schema || one_call || too_long
        };
        let may_run_tools_twice = facts.server_tools && strategy.is_concurrent();
        if may_run_tools_twice || candidates.iter().any(is_limited) {
            Ok(facts.with_messages(request.chat()?))
        } else {
            Ok(facts)
        }
    }

    /// Reads the facts of a request for an estimate of its cost. A large body is parsed if its bytes do not all count as text,
    /// because there may be images, audio, files or escaped characters in it. The parsed content is not kept.
    pub fn for_cost(request: &ChatRequest) -> Self {
        let facts = Self::from_request(request);
        match request.raw() {
            Some(raw) if raw.bytes.len() > SMALL_BODY && !is_text(&raw.bytes) => {
                request.read_chat(|chat| facts.clone().with_messages(chat)).unwrap_or(facts)
            }
            _ => facts,
        }
    }

    /// Adds the facts that only parsed messages provide; images, audio and files then do not count by their bytes.
    #[must_use]
    pub fn with_messages(mut self, chat: &Chat) -> Self {
        let content = Content::measure(chat);
        self.needs.tools |= !chat.tools.is_empty();
        self.needs.parallel_tools = self.needs.tools && chat.parallel_tools == Some(true);
        self.needs.json_schema = matches!(chat.format, Format::JsonSchema(_));
        self.needs.vision = content.images > 0;
        self.input_tokens = content.tokens().saturating_add(content.images.saturating_mul(IMAGE_TOKENS));
        self.server_tools =
            chat.extra.iter().any(|extra| is_server_tools_field(&extra.name) || extra.name == "tools");
        self
    }

    /// Returns the tokens of the prompt plus the caller's output limit.
    pub(crate) fn max_total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.max_output.unwrap_or(0))
    }

    /// Returns the output tokens assumed for cost estimates: the caller's limit, or 1,024 without one.
    pub fn expected_output(&self) -> u64 {
        self.max_output.unwrap_or(DEFAULT_OUTPUT)
    }

    /// Returns the expected cost at a candidate, for the estimated input and the expected output; `None` without a
    /// price.
    pub fn cost_at(&self, candidate: &Candidate<'_>) -> Option<Money> {
        let usage = Usage { input: self.input_tokens, output: self.expected_output(), ..Usage::default() };
        candidate.price.map(|price| price.cost(usage))
    }
}

/// Returns true if the bytes of a body are those of its text: it has no media, and no escapes that are longer than their
/// characters.
fn is_text(body: &[u8]) -> bool {
    // The types `image` and `image_url`, and the field `images`.
    static IMAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"image"));
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\\u"));
    let has = |what: &Finder<'_>| what.find(body).is_some();
    !has(&IMAGE) && !has(&ESCAPE) && !has_base64(body)
}

/// Returns true if there is a long run of base64, the escapes of JSON included.
fn has_base64(body: &[u8]) -> bool {
    let mut run = 0;
    body.iter().any(|byte| {
        let is_base64 = byte.is_ascii_alphanumeric() || b"+/=-_\\".contains(byte);
        run = if is_base64 { run + 1 } else { 0 };
        run >= BASE64_RUN
    })
}

/// Returns whether a top-level field declares tools that the provider runs.
///
/// An entry of `tools` of a type unknown to fb does so too, but the name of the field does not show it.
fn is_server_tools_field(field: &str) -> bool {
    field == "mcp_servers"
}

/// Estimates the tokens of a text from its length in bytes: a quarter of it, rounded up.
pub const fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

pub(crate) fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The amount of text, images and other media in a conversation.
#[derive(Default)]
pub(crate) struct Content {
    bytes: u64,
    pub(crate) images: u64,
    /// Estimated tokens of audio and files.
    media_tokens: u64,
}

impl Content {
    pub(crate) fn measure(chat: &Chat) -> Self {
        let mut content = Self::default();
        chat.messages.iter().for_each(|message| content.add(&message.parts));
        for tool in &chat.tools {
            content.add_text(&tool.name);
            content.add_text(tool.description.as_deref().unwrap_or_default());
            content.add_text(tool.parameters.as_ref().map_or("", |json| json.get()));
        }
        if let Format::JsonSchema(schema) = &chat.format {
            content.add_text(schema.schema.get());
        }
        content
    }

    pub(crate) fn tokens(&self) -> u64 {
        estimate_tokens(self.bytes).saturating_add(self.media_tokens)
    }

    fn add(&mut self, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Text(text) | Part::Refusal(text) | Part::Thinking { text, .. } => self.add_text(text),
                Part::Image(_) => self.images += 1,
                Part::ToolCall(call) => {
                    self.add_text(&call.name);
                    self.add_text(&call.arguments);
                }
                Part::ToolResult(result) => self.add(&result.parts),
                Part::Other { kind, value } => match media_tokens(kind, value.get()) {
                    Some(tokens) => self.media_tokens = self.media_tokens.saturating_add(tokens),
                    None => self.add_text(value.get()),
                },
            }
        }
    }

    fn add_text(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(size(text.len()));
    }
}

/// Estimates the tokens of audio or of a file in a dialect of OpenAI or Anthropic; `None` for a part that is text.
fn media_tokens(kind: &str, value: &str) -> Option<u64> {
    let chars = size(value.len());
    match kind {
        "input_audio" => Some(chars.div_ceil(AUDIO_CHARS_PER_TOKEN)),
        "file" => Some(chars.div_ceil(PAGE_CHARS).saturating_mul(PAGE_TOKENS)),
        "document" if has_base64_source(value) => {
            Some(chars.div_ceil(PAGE_CHARS).saturating_mul(PAGE_TOKENS))
        }
        _ => None,
    }
}

/// Returns true if a document has its bytes in it; its source may also be a text.
fn has_base64_source(document: &str) -> bool {
    #[derive(Deserialize)]
    struct Document {
        source: Source,
    }
    #[derive(Deserialize)]
    struct Source {
        r#type: String,
    }
    serde_json::from_str::<Document>(document).is_ok_and(|document| document.source.r#type == "base64")
}

#[cfg(test)]
mod tests;
