//! What the router must know of a request.

use fb_core::{Chat, ChatRequest, Format, InvalidRequest, Money, Part, TargetId};

use crate::{Candidate, Strategy};

/// Bytes of one token; about right for English text and JSON.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens of one picture; about what providers count for a photo.
const IMAGE_TOKENS: u64 = 1_000;
/// Output expected of a request that sets no limit; a long answer of a person's question.
const USUAL_OUTPUT: u64 = 1_024;

/// What the router must know of a request. The default is a request that every target may serve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts<'a> {
    /// What a target must be able to do.
    pub needs: Needs,
    /// Tokens of the prompt: an estimate, a quarter of its bytes, rounded up.
    pub input_tokens: u64,
    /// Most tokens to generate; `None` when the caller set no limit.
    pub max_output: Option<u64>,
    /// Whether it may name tools that the provider runs: to send it twice might do something twice.
    pub server_tools: bool,
    /// Where it may be computed; `None` is anywhere.
    pub regions: Option<&'a [String]>,
    /// The class of its data; `None` needs no approval.
    pub data_class: Option<&'a str>,
    /// Who may see it, each a `PROVIDER` or a `PROVIDER/MODEL`; `None` is anyone.
    pub allowed: Option<&'a [String]>,
    /// Most that it may cost.
    pub ceiling: Option<Money>,
    /// The target to try before all others.
    pub preferred: Option<&'a TargetId>,
    /// What it sticks by, for the strategy `sticky`.
    pub sticky_key: Option<&'a str>,
}

/// What a target must be able to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent need")]
pub struct Needs {
    /// Call functions.
    pub tools: bool,
    /// Call several functions at once.
    pub parallel_tools: bool,
    /// Follow a JSON schema.
    pub json_schema: bool,
    /// See pictures.
    pub vision: bool,
    /// Stream.
    pub streaming: bool,
}

impl Facts<'_> {
    /// Reads what a request tells without parsing its messages; a request of typed content tells all.
    ///
    /// What the head leaves open is taken for the worse: declared tools count as run by the provider, and every byte as
    /// text.
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
        let named = raw.fields.iter().any(|field| runs_there(&field.name));
        let input_tokens = estimate_tokens(size(raw.bytes.len()));
        Self { input_tokens, server_tools: head.tools || named, ..facts }
    }

    /// Reads what a route needs to know: the head, and the messages only if a candidate has a limit, or the strategy
    /// starts several calls, and the head does not tell enough.
    ///
    /// # Errors
    /// When the messages had to be looked at and are not what their dialect requires.
    pub fn for_candidates<'r>(
        request: &'r ChatRequest,
        candidates: &[Candidate<'_>],
        strategy: Strategy,
    ) -> Result<Self, &'r InvalidRequest> {
        let facts = Self::from_request(request);
        let limited = |candidate: &Candidate<'_>| {
            let able = candidate.capabilities;
            let too_long = able.context.is_some_and(|context| facts.most_tokens() > context);
            let one_call = facts.needs.tools && !candidate.parallel_tools;
            !able.vision || !able.json_schema || one_call || too_long
        };
        let twice = facts.server_tools && strategy.is_concurrent();
        if twice || candidates.iter().any(limited) {
            Ok(facts.with_messages(request.chat()?))
        } else {
            Ok(facts)
        }
    }

    /// Adds what only the messages tell; pictures no longer count by their bytes.
    #[must_use]
    pub fn with_messages(mut self, chat: &Chat) -> Self {
        let content = Content::measure(chat);
        self.needs.tools |= !chat.tools.is_empty();
        self.needs.parallel_tools = self.needs.tools && chat.parallel_tools == Some(true);
        self.needs.json_schema = matches!(chat.format, Format::JsonSchema(_));
        self.needs.vision = content.images > 0;
        self.input_tokens =
            estimate_tokens(content.bytes).saturating_add(content.images.saturating_mul(IMAGE_TOKENS));
        self.server_tools = chat.extra.iter().any(|extra| runs_there(&extra.name) || extra.name == "tools");
        self
    }

    /// Prompt and answer together.
    pub(crate) fn most_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.max_output.unwrap_or(0))
    }

    /// The output a cost is reckoned with: the caller's limit, or 1,024 tokens without one.
    pub fn expected_output(&self) -> u64 {
        self.max_output.unwrap_or(USUAL_OUTPUT)
    }
}

/// Whether a top-level field declares tools that the provider runs. An entry of `tools` this vocabulary has no word for
/// does too, but the field alone does not tell.
fn runs_there(field: &str) -> bool {
    field == "mcp_servers"
}

/// The tokens of so many bytes of text: an estimate, a quarter of them, rounded up.
pub const fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

pub(crate) fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// How much there is to read in a conversation.
#[derive(Default)]
pub(crate) struct Content {
    bytes: u64,
    pub(crate) images: u64,
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
        estimate_tokens(self.bytes)
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
                Part::Other { value, .. } => self.add_text(value.get()),
            }
        }
    }

    fn add_text(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(size(text.len()));
    }
}

#[cfg(test)]
mod tests;
