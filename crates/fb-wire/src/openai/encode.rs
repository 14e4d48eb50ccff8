mod body;

use std::collections::BTreeMap;

use fb_core::{Chat, Effort, Json, Message, Note, Part, Refusal, Role, ToolChoice, ToolResult};

use self::body::{Body, Called, Choice, Content, Known, Piece, ResponseFormat, StreamOptions, ToolOut, Turn};
use crate::Encoded;

/// Prints a typed chat as a body for a provider that speaks OpenAI's dialect.
///
/// Everything the chat says is carried, mapped with a note, or refused by name; nothing is lost in silence.
///
/// # Errors
/// Names the field that cannot be carried, and why.
pub fn encode(chat: &Chat, model: &str, stream: bool) -> Result<Encoded, Refusal> {
    let mut encoder = Encoder::default();
    let kept = encoder.extra(chat)?;
    encoder.numbers(chat)?;
    encoder.messages(&chat.messages)?;
    encoder.tools(chat);
    let tools: Vec<ToolOut<'_>> = chat.tools.iter().map(ToolOut::from).collect();
    let sampling = &chat.sampling;
    let body = Body {
        model,
        messages: encoder.turns,
        // Several backends reject both without tools.
        tool_choice: chat.tool_choice.as_ref().filter(|_| !tools.is_empty()).map(Choice::from),
        parallel_tool_calls: chat.parallel_tools.filter(|_| !tools.is_empty()),
        tools,
        response_format: ResponseFormat::new(&chat.format),
        max_completion_tokens: chat.max_tokens,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        seed: sampling.seed,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
        stop: &sampling.stop,
        reasoning_effort: chat.effort.map(Effort::name),
        user: chat.user.as_deref(),
        stream: stream.then_some(true),
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        kept,
    };
    let body = serde_json::to_vec(&body).map_err(|error| Refusal::new("body", error.to_string()))?;
    Ok(Encoded { body: body.into(), notes: encoder.notes })
}

/// What becomes of a field that the vocabulary has no word for, on its way to OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carry {
    /// Left out with this note: the answer does not depend on it.
    Drop(&'static str),
    /// Not sent at all, for this reason.
    Refuse(&'static str),
}

/// Fields of Anthropic's dialect. A name that stands nowhere is refused.
const ANTHROPIC: &[(&str, Carry)] = &[
    ("allowed_callers", Carry::Refuse("OpenAI's models do not call tools from code")),
    ("anthropic_beta", Carry::Refuse("a beta feature of Anthropic's")),
    ("betas", Carry::Refuse("a beta feature of Anthropic's")),
    ("budget_tokens", Carry::Drop("OpenAI limits thinking by effort only")),
    ("cache_control", Carry::Drop("OpenAI caches prompts by itself")),
    ("caller", Carry::Drop("only says who called the tool")),
    ("citations", Carry::Drop("OpenAI does not cite the prompt")),
    ("container", Carry::Refuse("a container lives at Anthropic")),
    ("context_management", Carry::Refuse("OpenAI does not edit the conversation")),
    ("defer_loading", Carry::Drop("the tool is declared at once")),
    ("diagnostics", Carry::Drop("only asks Anthropic for diagnostics")),
    ("display", Carry::Drop("OpenAI does not show its thinking")),
    ("eager_input_streaming", Carry::Drop("OpenAI streams arguments as they come")),
    ("fallback_credit_token", Carry::Drop("a token of Anthropic's own fallback")),
    ("fallbacks", Carry::Drop("a refusal is surfaced, not sent to another model")),
    ("inference_geo", Carry::Refuse("OpenAI cannot be told where to compute the answer")),
    ("input_examples", Carry::Refuse("OpenAI's tools have no examples")),
    ("mcp_servers", Carry::Refuse("OpenAI's chat does not call MCP servers")),
    ("metadata", Carry::Drop("labels for Anthropic's records")),
    ("output_config", Carry::Refuse("no such setting at OpenAI")),
    ("output_format", Carry::Refuse("a beta form of Anthropic's")),
    ("service_tier", Carry::Drop("a tier of the other provider")),
    ("signature", Carry::Drop("proves the thinking of another model")),
    ("speed", Carry::Drop("a tier of the other provider")),
    ("system", Carry::Refuse("only text can be a system message")),
    ("task_budget", Carry::Refuse("OpenAI does not keep a budget over a task")),
    ("thinking", Carry::Drop("OpenAI controls thinking by effort only")),
    ("tool_choice", Carry::Refuse("no such choice at OpenAI")),
    ("tools", Carry::Refuse("a tool that only its own provider runs")),
];

/// OpenAI's own fields that the vocabulary has no word for: carried as they are at the top level.
const OWN: &[&str] = &[
    "audio",
    "logit_bias",
    "logprobs",
    "modalities",
    "moderation",
    "n",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

/// Prints messages in order and notes what changes on the way.
#[derive(Default)]
struct Encoder<'a> {
    notes: Vec<Note>,
    turns: Vec<Turn<'a>>,
    /// Pictures in results of tools; OpenAI takes them from a user only, and only after the last of the results.
    pictures: Vec<Piece<'a>>,
}

impl<'a> Encoder<'a> {
    fn note(&mut self, field: impl Into<String>, what: &str) {
        self.notes.push(Note::new(field, what));
    }

    fn extra(&mut self, chat: &'a Chat) -> Result<BTreeMap<&'a str, &'a Json>, Refusal> {
        let mut kept = BTreeMap::new();
        for extra in &chat.extra {
            let of_anthropic = ANTHROPIC.iter().find(|(name, _)| *name == extra.name);
            match of_anthropic.map(|(_, carry)| *carry) {
                Some(Carry::Drop(what)) => self.note(&extra.path, what),
                Some(Carry::Refuse(why)) => return Err(Refusal::new(&extra.path, why)),
                None if extra.path == extra.name && OWN.contains(&&*extra.name) => {
                    kept.insert(&*extra.name, &extra.value);
                }
                None => return Err(Refusal::new(&extra.path, "OpenAI has no such field")),
            }
        }
        Ok(kept)
    }

    fn numbers(&mut self, chat: &Chat) -> Result<(), Refusal> {
        let sampling = &chat.sampling;
        let numbers = [
            ("temperature", sampling.temperature),
            ("top_p", sampling.top_p),
            ("frequency_penalty", sampling.frequency_penalty),
            ("presence_penalty", sampling.presence_penalty),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, number)| number.is_some_and(|n| !n.is_finite())) {
            return Err(Refusal::new(*name, "not a finite number"));
        }
        if chat.max_tokens == Some(0) {
            return Err(Refusal::new("max_tokens", "OpenAI cannot be asked for nothing, as to warm a cache"));
        }
        if sampling.stop.len() > 4 {
            return Err(Refusal::new("stop", "OpenAI takes at most 4 texts"));
        }
        if sampling.top_k.is_some() {
            self.note("top_k", "left out: OpenAI cannot limit sampling to so many tokens");
        }
        Ok(())
    }

    fn tools(&mut self, chat: &Chat) {
        if chat.tools.is_empty()
            && matches!(chat.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
        {
            self.note("tool_choice", "left out: there are no tools to choose from");
        }
    }

    fn messages(&mut self, messages: &'a [Message]) -> Result<(), Refusal> {
        for (index, message) in messages.iter().enumerate() {
            let at = format!("messages[{index}]");
            match message.role {
                Role::Tool => self.tool_results(message, &at)?,
                Role::System | Role::Developer | Role::User => self.prompt(message, &at)?,
                Role::Assistant => {
                    self.show_pictures();
                    self.assistant(message, &at)?;
                }
            }
        }
        self.show_pictures();
        Ok(())
    }

    /// What the operator or the person says; results of tools among it come first, as OpenAI wants them right
    /// after the calls.
    fn prompt(&mut self, message: &'a Message, at: &str) -> Result<(), Refusal> {
        let mut pieces = Vec::new();
        let mut results = false;
        for (index, part) in message.parts.iter().enumerate() {
            let at = || format!("{at}.content[{index}]");
            match part {
                Part::Text(text) => pieces.push(Piece::text(text)),
                Part::Image(image) if message.role == Role::User => pieces.push(Piece::image(image)),
                Part::ToolResult(result) => {
                    results = true;
                    self.tool_result(result, None, &at())?;
                }
                Part::Thinking { .. } => self.note(at(), STRIPPED),
                Part::Other { kind, value } => pieces.extend(self.other(kind, value, &at())?),
                Part::Image(_) => return Err(Refusal::new(at(), "only a user can show OpenAI a picture")),
                Part::Refusal(_) | Part::ToolCall(_) => {
                    return Err(Refusal::new(at(), "only an assistant refuses or calls tools"));
                }
            }
        }
        if results && pieces.is_empty() {
            return Ok(());
        }
        self.show_pictures();
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Assistant | Role::Tool => "user",
        };
        self.turns.push(Turn { name: message.name.as_deref(), ..Turn::new(role, Content::of(pieces)) });
        Ok(())
    }

    fn assistant(&mut self, message: &'a Message, at: &str) -> Result<(), Refusal> {
        let (mut pieces, mut calls) = (Vec::new(), Vec::new());
        for (index, part) in message.parts.iter().enumerate() {
            let at = || format!("{at}.content[{index}]");
            match part {
                Part::Text(text) => pieces.push(Piece::text(text)),
                Part::Refusal(refusal) => pieces.push(Piece::Known(Known::Refusal { refusal })),
                Part::ToolCall(call) => calls.push(Called::from(call)),
                Part::Thinking { .. } => self.note(at(), STRIPPED),
                Part::Other { kind, value } => pieces.extend(self.other(kind, value, &at())?),
                Part::Image(_) => return Err(Refusal::new(at(), "an assistant shows OpenAI no pictures")),
                Part::ToolResult(_) => return Err(Refusal::new(at(), "an assistant gives no tool results")),
            }
        }
        let content = if pieces.is_empty() && !calls.is_empty() { None } else { Some(Content::of(pieces)) };
        let turn = Turn::new("assistant", Content::Text("".into()));
        self.turns.push(Turn { name: message.name.as_deref(), content, tool_calls: calls, ..turn });
        Ok(())
    }

    fn tool_results(&mut self, message: &'a Message, at: &str) -> Result<(), Refusal> {
        for (index, part) in message.parts.iter().enumerate() {
            let at = format!("{at}.content[{index}]");
            let Part::ToolResult(result) = part else {
                return Err(Refusal::new(at, "a tool gives nothing but results"));
            };
            self.tool_result(result, message.name.as_deref(), &at)?;
        }
        Ok(())
    }

    fn tool_result(
        &mut self,
        result: &'a ToolResult,
        name: Option<&'a str>,
        at: &str,
    ) -> Result<(), Refusal> {
        let mut pieces = Vec::new();
        for (index, part) in result.parts.iter().enumerate() {
            let at = format!("{at}.content[{index}]");
            match part {
                Part::Text(text) => pieces.push(Piece::text(text)),
                Part::Image(image) => {
                    self.pictures.push(Piece::image(image));
                    self.note(at, "sent as a user's picture: OpenAI's tool results hold only text");
                }
                Part::Other { kind, .. } => return Err(unknown_part(kind, at)),
                Part::Refusal(_) | Part::Thinking { .. } | Part::ToolCall(_) | Part::ToolResult(_) => {
                    return Err(Refusal::new(at, "a tool's result holds only text and pictures"));
                }
            }
        }
        if result.is_error {
            pieces.insert(0, Piece::text("The tool failed:"));
            self.note(format!("{at}.is_error"), "said in words: OpenAI has no mark for a failed tool");
        }
        let turn = Turn::new("tool", Content::of(pieces));
        self.turns.push(Turn { name, tool_call_id: Some(&result.id), ..turn });
        Ok(())
    }

    fn show_pictures(&mut self) {
        if !self.pictures.is_empty() {
            let mut pieces = vec![Piece::text("From the tools' results:")];
            pieces.append(&mut self.pictures);
            self.turns.push(Turn::new("user", Content::Pieces(pieces)));
        }
    }

    fn other(&mut self, kind: &str, value: &'a Json, at: &str) -> Result<Option<Piece<'a>>, Refusal> {
        match kind {
            "input_audio" | "file" => Ok(Some(Piece::AsItCame(value))),
            "thinking" | "redacted_thinking" => {
                self.note(at, STRIPPED);
                Ok(None)
            }
            _ => Err(unknown_part(kind, at)),
        }
    }
}

const STRIPPED: &str = "left out: thinking is bound to the model that wrote it";

fn unknown_part(kind: &str, at: impl Into<String>) -> Refusal {
    Refusal::new(at, format!("OpenAI takes no content of type {kind}"))
}

#[cfg(test)]
mod tests;
