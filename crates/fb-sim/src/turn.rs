//! The content of an answer, independent of the dialect.

use serde_json::Value;

use crate::fault::BlockForm;
use crate::reply::{SimReply, SimToolCall};
use crate::schema;

/// The text of a default refusal.
const REFUSAL: &str = "I can't help with that.";

/// A user message that contains this text gets a tool call.
const TOOL_WORDS: &str = "use the tool";

/// A request, independent of the dialect.
#[derive(Debug, Clone, Default)]
pub(crate) struct TurnRequest {
    /// The text of the last message, if it is a user message.
    pub(crate) last_user: Option<String>,
    pub(crate) prompt_tokens: u64,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    pub(crate) format: Format,
    pub(crate) max_tokens: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Schema(Value),
}

/// An answer, independent of the dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) text: String,
    pub(crate) calls: Vec<SimToolCall>,
    pub(crate) refusal: Option<String>,
    pub(crate) finish: Finish,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    Refusal,
}

impl Turn {
    pub(crate) fn new(
        request: &TurnRequest,
        reply: &SimReply,
        block: Option<BlockForm>,
        greeting: &str,
    ) -> Self {
        let mut turn = Self::healthy(request, reply, greeting);
        match block {
            None => {}
            Some(BlockForm::Http400 | BlockForm::FinishReason) => turn.block_at(0),
            Some(BlockForm::MidStream) => turn.block_at(turn.text.chars().count() / 2),
            Some(BlockForm::Refusal) => turn.refuse(REFUSAL.to_owned()),
        }
        let texts = [&turn.text]
            .into_iter()
            .chain(&turn.refusal)
            .chain(turn.calls.iter().map(|call| &call.arguments));
        turn.completion_tokens = texts.map(|text| words(text)).sum::<u64>().max(1);
        turn
    }

    fn healthy(request: &TurnRequest, reply: &SimReply, greeting: &str) -> Self {
        let calls =
            if reply.tool_calls.is_empty() { request.forced_call() } else { reply.tool_calls.clone() };
        let text = match &reply.text {
            Some(text) => text.clone(),
            None if !calls.is_empty() => String::new(),
            None => request.format.example(greeting),
        };
        let finish = if calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
        let prompt_tokens = request.prompt_tokens.max(1);
        let mut turn = Self { text, calls, refusal: None, finish, prompt_tokens, completion_tokens: 0 };
        if let Some(refusal) = &reply.refusal {
            turn.refuse(refusal.clone());
        }
        if let Some(max) = request.max_tokens {
            turn.shorten_to(max);
        }
        turn
    }

    fn refuse(&mut self, refusal: String) {
        self.text.clear();
        self.calls.clear();
        self.refusal = Some(refusal);
        self.finish = Finish::Refusal;
    }

    fn block_at(&mut self, letters: usize) {
        self.text = self.text.chars().take(letters).collect();
        self.calls.clear();
        self.refusal = None;
        self.finish = Finish::ContentFilter;
    }

    /// Cuts the text to this number of tokens; the simulator counts words as tokens.
    fn shorten_to(&mut self, tokens: u64) {
        if words(&self.text) <= tokens {
            return;
        }
        let kept = usize::try_from(tokens).unwrap_or(usize::MAX);
        self.text = self.text.split_whitespace().take(kept).collect::<Vec<_>>().join(" ");
        self.finish = Finish::Length;
    }
}

impl TurnRequest {
    fn forced_call(&self) -> Vec<SimToolCall> {
        let is_prompted = self.last_user.as_deref().is_some_and(|text| text.contains(TOOL_WORDS));
        let tool = match &self.choice {
            Choice::None => None,
            Choice::Auto => self.tools.first().filter(|_| is_prompted),
            Choice::Required => self.tools.first(),
            Choice::Named(name) => self.tools.iter().find(|tool| tool.name == *name),
        };
        tool.map(|tool| SimToolCall::new(&tool.name, schema::example(&tool.schema))).into_iter().collect()
    }
}

impl Format {
    fn example(&self, greeting: &str) -> String {
        match self {
            Self::Text => greeting.to_owned(),
            Self::Json => serde_json::json!({ "answer": greeting }).to_string(),
            Self::Schema(schema) => schema::example(schema).to_string(),
        }
    }
}

/// Returns the text of a message's content: a string, or the text parts of a list.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// Counts the words of all strings in a value.
pub(crate) fn words_in(value: &Value) -> u64 {
    match value {
        Value::String(text) => words(text),
        Value::Array(values) => values.iter().map(words_in).sum(),
        Value::Object(fields) => {
            fields.iter().filter(|(name, _)| *name != "type").map(|(_, value)| words_in(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

pub(crate) fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Splits a text into about `count` pieces at arbitrary character boundaries.
pub(crate) fn pieces(text: &str, count: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let size = letters.len().div_ceil(count.max(1)).max(1);
    letters.chunks(size).map(String::from_iter).collect()
}
