mod body;

use std::collections::BTreeMap;

use fb_core::{Chat, Effort, Json, Message, Note, Part, Refusal, Role, ToolChoice, ToolResult};

use self::body::{
    Body, Choice, Content, ContentPart, KnownPart, ResponseFormat, StreamOptions, ToolCallOut, ToolOut, Turn,
};
use crate::outcome::Encoded;

/// Prints a typed chat as the body of a request to `model`.
///
/// Every field of the chat is sent, mapped with a note, or refused by name.
///
/// # Errors
/// Names the field that cannot be sent, and why.
pub fn encode(chat: &Chat, model: &str, stream: bool) -> Result<Encoded, Refusal> {
    let mut encoder = Encoder::default();
    let passthrough = encoder.extra(chat)?;
    encoder.numbers(chat)?;
    encoder.messages(&chat.messages)?;
    encoder.tools(chat);
    let tools: Vec<ToolOut<'_>> = chat.tools.iter().map(ToolOut::from).collect();
    let sampling = &chat.sampling;
    let body = Body {
        model,
        messages: encoder.turns,
        // Several servers reject both fields without tools.
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
        passthrough,
    };
    let body = serde_json::to_vec(&body).map_err(|error| Refusal::new("body", error.to_string()))?;
    Ok(Encoded { body: body.into(), notes: encoder.notes })
}

/// The treatment of a field that OpenAI's dialect lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Leave it out with this note: the answer does not depend on it.
    Drop(&'static str),
    /// Refuse the request, for this reason.
    Refuse(&'static str),
}

/// Fields of Anthropic's dialect. Names that are neither here nor in [`OWN`] are refused.
const ANTHROPIC: &[(&str, Rule)] = &[
    ("allowed_callers", Rule::Refuse("OpenAI's models do not call tools from code")),
    ("anthropic_beta", Rule::Refuse("a beta feature of Anthropic's")),
    ("betas", Rule::Refuse("a beta feature of Anthropic's")),
    ("budget_tokens", Rule::Drop("OpenAI limits thinking by effort only")),
    ("cache_control", Rule::Drop("OpenAI caches prompts by itself")),
    ("caller", Rule::Drop("only says who called the tool")),
    ("citations", Rule::Drop("OpenAI does not cite the prompt")),
    ("container", Rule::Refuse("a container lives at Anthropic")),
    ("context_management", Rule::Drop("OpenAI gets the conversation whole")),
    ("defer_loading", Rule::Drop("the tool is declared at once")),
    ("diagnostics", Rule::Drop("only asks Anthropic for diagnostics")),
    ("display", Rule::Drop("OpenAI does not show its thinking")),
    ("eager_input_streaming", Rule::Drop("OpenAI streams arguments as they come")),
    ("fallback_credit_token", Rule::Drop("a token of Anthropic's own fallback")),
    ("fallbacks", Rule::Drop("a refusal is surfaced, not sent to another model")),
    ("inference_geo", Rule::Refuse("OpenAI cannot be told where to compute the answer")),
    ("input_examples", Rule::Refuse("OpenAI's tools have no examples")),
    ("mcp_servers", Rule::Refuse("OpenAI's chat does not call MCP servers")),
    ("metadata", Rule::Drop("labels for Anthropic's records")),
    ("output_config", Rule::Refuse("no such setting at OpenAI")),
    ("output_format", Rule::Refuse("a beta form of Anthropic's")),
    ("service_tier", Rule::Drop("a tier of the other provider")),
    ("signature", Rule::Drop("proves the thinking of another model")),
    ("speed", Rule::Drop("a tier of the other provider")),
    ("system", Rule::Refuse("only text can be a system message")),
    ("task_budget", Rule::Refuse("OpenAI does not keep a budget over a task")),
    ("thinking", Rule::Drop("OpenAI controls thinking by effort only")),
    ("tool_choice", Rule::Refuse("no such choice at OpenAI")),
    ("tools", Rule::Refuse("a tool that only its own provider runs")),
];

/// OpenAI's own fields without a counterpart in the vocabulary: passed through unchanged at the top level.
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

/// Converts messages in order and collects the notes.
#[derive(Default)]
struct Encoder<'a> {
    notes: Vec<Note>,
    turns: Vec<Turn<'a>>,
    /// Images from tool results. OpenAI accepts images only from a user, and only after the last result.
    images: Vec<ContentPart<'a>>,
}

impl<'a> Encoder<'a> {
    fn note(&mut self, field: impl Into<String>, what: &str) {
        self.notes.push(Note::new(field, what));
    }

    fn extra(&mut self, chat: &'a Chat) -> Result<BTreeMap<&'a str, &'a Json>, Refusal> {
        let mut passthrough = BTreeMap::new();
        for extra in &chat.extra {
            let rule = ANTHROPIC.iter().find(|(name, _)| *name == extra.name);
            match rule.map(|(_, rule)| *rule) {
                Some(Rule::Drop(what)) => self.note(&extra.path, what),
                Some(Rule::Refuse(why)) => return Err(Refusal::new(&extra.path, why)),
                None if extra.path == extra.name && OWN.contains(&&*extra.name) => {
                    passthrough.insert(&*extra.name, &extra.value);
                }
                None => return Err(Refusal::new(&extra.path, "OpenAI has no such field")),
            }
        }
        Ok(passthrough)
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
            let path = format!("messages[{index}]");
            match message.role {
                Role::Tool => self.tool_results(message, &path)?,
                Role::System | Role::Developer | Role::User => self.prompt(message, &path)?,
                Role::Assistant => {
                    self.flush_images();
                    self.assistant(message, &path)?;
                }
            }
        }
        self.flush_images();
        Ok(())
    }

    /// Encodes a system, developer or user message. Tool results in it come first, because OpenAI requires them directly
    /// after the calls.
    fn prompt(&mut self, message: &'a Message, path: &str) -> Result<(), Refusal> {
        let mut parts = Vec::new();
        let mut has_results = false;
        for (index, part) in message.parts.iter().enumerate() {
            let path = || format!("{path}.content[{index}]");
            match part {
                Part::Text(text) => parts.push(ContentPart::text(text)),
                Part::Image(image) if message.role == Role::User => parts.push(ContentPart::image(image)),
                Part::ToolResult(result) => {
                    has_results = true;
                    self.tool_result(result, None, &path())?;
                }
                Part::Thinking { .. } => self.note(path(), THINKING_DROPPED),
                Part::Other { kind, value } => parts.extend(self.unknown_part(kind, value, &path())?),
                Part::Image(_) => return Err(Refusal::new(path(), "only a user can show OpenAI a picture")),
                Part::Refusal(_) | Part::ToolCall(_) => {
                    return Err(Refusal::new(path(), "only an assistant refuses or calls tools"));
                }
            }
        }
        if has_results && parts.is_empty() {
            return Ok(());
        }
        self.flush_images();
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Assistant | Role::Tool => "user",
        };
        self.turns
            .push(Turn { name: message.name.as_deref(), ..Turn::new(role, Content::from_parts(parts)) });
        Ok(())
    }

    fn assistant(&mut self, message: &'a Message, path: &str) -> Result<(), Refusal> {
        let (mut parts, mut calls) = (Vec::new(), Vec::new());
        for (index, part) in message.parts.iter().enumerate() {
            let path = || format!("{path}.content[{index}]");
            match part {
                Part::Text(text) => parts.push(ContentPart::text(text)),
                Part::Refusal(refusal) => parts.push(ContentPart::Known(KnownPart::Refusal { refusal })),
                Part::ToolCall(call) => calls.push(ToolCallOut::from(call)),
                Part::Thinking { .. } => self.note(path(), THINKING_DROPPED),
                Part::Other { kind, value } => parts.extend(self.unknown_part(kind, value, &path())?),
                Part::Image(_) => return Err(Refusal::new(path(), "an assistant shows OpenAI no pictures")),
                Part::ToolResult(_) => {
                    return Err(Refusal::new(path(), "an assistant gives no tool results"));
                }
            }
        }
        let content =
            if parts.is_empty() && !calls.is_empty() { None } else { Some(Content::from_parts(parts)) };
        let turn = Turn::new("assistant", Content::Text("".into()));
        self.turns.push(Turn { name: message.name.as_deref(), content, tool_calls: calls, ..turn });
        Ok(())
    }

    fn tool_results(&mut self, message: &'a Message, path: &str) -> Result<(), Refusal> {
        for (index, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.content[{index}]");
            let Part::ToolResult(result) = part else {
                return Err(Refusal::new(path, "a tool gives nothing but results"));
            };
            self.tool_result(result, message.name.as_deref(), &path)?;
        }
        Ok(())
    }

    fn tool_result(
        &mut self,
        result: &'a ToolResult,
        name: Option<&'a str>,
        path: &str,
    ) -> Result<(), Refusal> {
        let mut parts = Vec::new();
        for (index, part) in result.parts.iter().enumerate() {
            let path = format!("{path}.content[{index}]");
            match part {
                Part::Text(text) => parts.push(ContentPart::text(text)),
                Part::Image(image) => {
                    self.images.push(ContentPart::image(image));
                    self.note(path, "sent as a user's picture: OpenAI's tool results hold only text");
                }
                Part::Other { kind, .. } => return Err(unsupported_part(kind, path)),
                Part::Refusal(_) | Part::Thinking { .. } | Part::ToolCall(_) | Part::ToolResult(_) => {
                    return Err(Refusal::new(path, "a tool's result holds only text and pictures"));
                }
            }
        }
        if result.is_error {
            parts.insert(0, ContentPart::text("The tool failed:"));
            self.note(format!("{path}.is_error"), "said in words: OpenAI has no mark for a failed tool");
        }
        let turn = Turn::new("tool", Content::from_parts(parts));
        self.turns.push(Turn { name, tool_call_id: Some(&result.id), ..turn });
        Ok(())
    }

    /// Sends the collected images as a message of the user.
    fn flush_images(&mut self) {
        if !self.images.is_empty() {
            let mut parts = vec![ContentPart::text("From the tools' results:")];
            parts.append(&mut self.images);
            self.turns.push(Turn::new("user", Content::Parts(parts)));
        }
    }

    fn unknown_part(
        &mut self,
        kind: &str,
        value: &'a Json,
        path: &str,
    ) -> Result<Option<ContentPart<'a>>, Refusal> {
        match kind {
            "input_audio" | "file" => Ok(Some(ContentPart::Verbatim(value))),
            "thinking" | "redacted_thinking" => {
                self.note(path, THINKING_DROPPED);
                Ok(None)
            }
            _ => Err(unsupported_part(kind, path)),
        }
    }
}

const THINKING_DROPPED: &str = "left out: thinking is bound to the model that wrote it";

fn unsupported_part(kind: &str, path: impl Into<String>) -> Refusal {
    Refusal::new(path, format!("OpenAI takes no content of type {kind}"))
}

#[cfg(test)]
mod tests;
