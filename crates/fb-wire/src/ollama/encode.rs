mod body;

use std::collections::BTreeMap;

use fb_core::{
    Chat, Effort, Extra, Format, Image, ImageSource, Json, Message, Note, Part, Refusal, Role, Tool,
    ToolChoice, ToolResult,
};

use self::body::{Body, Function, FunctionCall, Options, Signature, Think, ToolDeclaration, Turn};
use crate::outcome::Encoded;

/// Prints a typed chat as the body of a request to `model`.
///
/// Every field of the chat is sent, mapped with a note, or refused by name. `num_ctx` is the context window in tokens
/// that is set for the request; a prompt that does not fit it is refused, because Ollama would truncate it
/// silently.
///
/// # Errors
/// Names the field that cannot be sent, and why.
pub fn encode(chat: &Chat, model: &str, stream: bool, num_ctx: Option<u32>) -> Result<Encoded, Refusal> {
    let mut encoder = Encoder::default();
    encoder.extras(&chat.extra)?;
    encoder.messages(&chat.messages)?;
    let tools = encoder.tools(chat)?;
    if let Some(window) = num_ctx {
        check_fits(chat, window)?;
    }
    let sampling = &chat.sampling;
    let body = Body {
        model,
        messages: encoder.turns,
        tools,
        format: match &chat.format {
            Format::Text => None,
            Format::JsonObject => Some("\"json\"".to_owned()),
            Format::JsonSchema(schema) => Some(schema.schema.get().to_owned()),
        }
        .and_then(|text| Json::parse(&text).ok()),
        options: Options {
            num_ctx,
            num_predict: chat.max_tokens,
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k,
            seed: sampling.seed,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            stop: &sampling.stop,
        },
        think: chat.effort.map(think),
        stream,
    };
    if !body.tools.is_empty() && body.format.is_some() {
        encoder.notes.push(Note::new("response_format", "sent beside tools, which Ollama may then not call"));
    }
    if let Some(effort) = chat
        .effort
        .filter(|effort| !matches!(effort, Effort::None | Effort::Low | Effort::Medium | Effort::High))
    {
        let sent = if effort == Effort::Minimal { "low" } else { "high" };
        encoder.notes.push(Note::new("reasoning_effort", format!("{} sent as {sent}", effort.name())));
    }
    if chat.user.is_some() {
        encoder.notes.push(Note::new("user", "left out: Ollama keeps no records of users"));
    }
    let body = serde_json::to_vec(&body).map_err(|error| Refusal::new("body", error.to_string()))?;
    Ok(Encoded { body: body.into(), notes: encoder.notes })
}

const fn think(effort: Effort) -> Think {
    match effort {
        Effort::None => Think::Off(false),
        Effort::Minimal | Effort::Low => Think::Level("low"),
        Effort::Medium => Think::Level("medium"),
        Effort::High | Effort::Xhigh | Effort::Max => Think::Level("high"),
    }
}

/// Refuses a chat if its prompt and answer exceed the window.
fn check_fits(chat: &Chat, window: u32) -> Result<(), Refusal> {
    let needed = estimate_tokens(chat).saturating_add(u64::from(chat.max_tokens.unwrap_or(0)));
    if needed <= u64::from(window) {
        return Ok(());
    }
    Err(Refusal::new(
        "messages",
        format!("about {needed} tokens do not fit the configured num_ctx of {window}"),
    ))
}

/// Estimates the number of tokens of a prompt: a token is four ASCII bytes or one character of another script, and
/// each message adds four.
fn estimate_tokens(chat: &Chat) -> u64 {
    let text = |text: &str| {
        let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
        let others = text.chars().filter(|c| !c.is_ascii()).count() as u64;
        ascii / 4 + others
    };
    let part = |part: &Part| match part {
        Part::Text(content) | Part::Refusal(content) | Part::Thinking { text: content, .. } => text(content),
        Part::ToolCall(call) => text(&call.name) + text(&call.arguments),
        Part::ToolResult(result) => {
            let content = |part: &Part| if let Part::Text(content) = part { text(content) } else { 0 };
            result.parts.iter().map(content).sum()
        }
        // The cost of an image depends on the model.
        Part::Image(_) | Part::Other { .. } => 0,
    };
    let messages: u64 =
        chat.messages.iter().map(|message| 4 + message.parts.iter().map(part).sum::<u64>()).sum();
    let tools: u64 = chat
        .tools
        .iter()
        .map(|tool| text(&tool.name) + tool.parameters.as_ref().map_or(0, |schema| text(schema.get())))
        .sum();
    messages + tools
}

/// Extra fields that do not affect the answer, with the reason for the note. All other extra fields are refused.
const DROPPED: &[(&str, &str)] = &[
    ("budget_tokens", "Ollama limits thinking by effort only"),
    ("cache_control", "Ollama caches prompts by itself"),
    ("caller", "only says who called the tool"),
    ("citations", "Ollama does not cite the prompt"),
    ("context_management", "Ollama gets the conversation whole"),
    ("defer_loading", "the tool is declared at once"),
    ("diagnostics", "only asks its provider for diagnostics"),
    ("display", "Ollama shows its thinking as it is"),
    ("eager_input_streaming", "Ollama sends calls whole"),
    ("encrypted_content", "bound to the provider that wrote it"),
    ("extra_content", "bound to the provider that wrote it"),
    ("fallback_credit_token", "a token of Anthropic's own fallback"),
    ("fallbacks", "a refusal is surfaced, not sent to another model"),
    ("metadata", "labels for its provider's records"),
    ("prompt_cache_key", "Ollama caches prompts by itself"),
    ("prompt_cache_options", "Ollama caches prompts by itself"),
    ("prompt_cache_retention", "Ollama caches prompts by itself"),
    ("prompt_cache_breakpoint", "Ollama caches prompts by itself"),
    ("reasoning_details", "bound to the provider that wrote it"),
    ("safety_identifier", "Ollama keeps no records of users"),
    ("service_tier", "a tier of its provider"),
    ("signature", "proves the thinking of another model"),
    ("speed", "a tier of its provider"),
    ("store", "Ollama keeps no answers"),
    ("thinking", "Ollama controls thinking by effort only"),
    ("thinking_blocks", "bound to the provider that wrote it"),
    ("verbosity", "Ollama has no such setting"),
];

/// Converts messages in order and collects the notes.
#[derive(Default)]
struct Encoder<'a> {
    notes: Vec<Note>,
    turns: Vec<Turn<'a>>,
    /// Tool names by call id: Ollama matches results to calls by the name of the tool.
    tool_names: BTreeMap<&'a str, &'a str>,
}

impl<'a> Encoder<'a> {
    fn note(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.notes.push(Note::new(field, what));
    }

    fn extras(&mut self, extras: &'a [Extra]) -> Result<(), Refusal> {
        for extra in extras {
            let neutral = extra.value.is_null()
                || matches!(
                    (&*extra.name, extra.value.get()),
                    ("n", "1") | ("logprobs", "false") | ("top_logprobs", "0")
                );
            match DROPPED.iter().find(|(name, _)| *name == extra.name) {
                _ if neutral => {}
                Some((_, why)) => self.note(&extra.path, format!("left out: {why}")),
                None => return Err(Refusal::new(&extra.path, "Ollama's chat has no such thing")),
            }
        }
        Ok(())
    }

    fn tools(&mut self, chat: &'a Chat) -> Result<Vec<ToolDeclaration<'a>>, Refusal> {
        let all = chat.tools.iter();
        let sent: Vec<&Tool> = match &chat.tool_choice {
            None | Some(ToolChoice::Auto) => all.collect(),
            Some(ToolChoice::None) => {
                if !chat.tools.is_empty() {
                    self.note("tool_choice", "no tools sent: Ollama cannot be told to leave them alone");
                }
                Vec::new()
            }
            Some(ToolChoice::Required) if chat.tools.is_empty() => Vec::new(),
            Some(ToolChoice::Required) => {
                return Err(Refusal::new("tool_choice", "Ollama cannot be made to call a tool"));
            }
            Some(ToolChoice::Named(name)) => {
                self.note("tool_choice", "only that tool is sent, but Ollama need not call it");
                all.filter(|tool| tool.name == *name).collect()
            }
        };
        if chat.parallel_tools == Some(false) && !sent.is_empty() {
            self.note("parallel_tool_calls", "Ollama may call several tools at once");
        }
        if sent.iter().any(|tool| tool.strict == Some(true)) {
            self.note("tools", "strict left out: Ollama does not enforce it");
        }
        let declaration = |tool: &'a Tool| ToolDeclaration {
            kind: "function",
            function: Signature {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: tool.parameters.as_ref(),
            },
        };
        Ok(sent.into_iter().map(declaration).collect())
    }

    fn messages(&mut self, messages: &'a [Message]) -> Result<(), Refusal> {
        for (index, message) in messages.iter().enumerate() {
            let path = format!("messages[{index}]");
            if message.name.is_some() && message.role != Role::Tool {
                self.note(format!("{path}.name"), "left out: Ollama's messages have no names");
            }
            self.message(message, &path)?;
        }
        if messages.last().is_some_and(|message| message.role == Role::Assistant) {
            self.note("messages", "ends with the assistant: Ollama may begin anew instead of continuing");
        }
        Ok(())
    }

    fn message(&mut self, message: &'a Message, path: &str) -> Result<(), Refusal> {
        let mut turn = Turn::new(match message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        });
        let mut results = false;
        for (index, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.content[{index}]");
            match part {
                Part::Text(text) | Part::Refusal(text) => turn.push_text(text),
                Part::Image(image) => turn.images.push(self.image(image, &path)?),
                Part::Thinking { text, .. } => turn.push_thinking(text),
                Part::ToolCall(call) => {
                    self.tool_names.insert(&call.id, &call.name);
                    let arguments = arguments(&call.arguments, &path)?;
                    turn.tool_calls.push(FunctionCall { function: Function { name: &call.name, arguments } });
                }
                Part::ToolResult(result) => {
                    results = true;
                    self.result(result, message.name.as_deref(), &path)?;
                }
                Part::Other { kind, .. } if matches!(kind.as_str(), "thinking" | "redacted_thinking") => {
                    self.note(path, "left out: thinking is bound to the model that wrote it");
                }
                Part::Other { kind, .. } => {
                    return Err(Refusal::new(path, format!("Ollama takes no content of type {kind}")));
                }
            }
        }
        if !results || !turn.is_empty() {
            self.turns.push(turn);
        }
        Ok(())
    }

    fn result(&mut self, result: &'a ToolResult, name: Option<&'a str>, path: &str) -> Result<(), Refusal> {
        let mut turn = Turn::new("tool");
        turn.tool_name = self.tool_names.get(&*result.id).copied().or(name);
        if result.is_error {
            turn.push_text("The tool failed:");
            self.note(format!("{path}.is_error"), "said in words: Ollama has no mark for a failed tool");
        }
        for (index, part) in result.parts.iter().enumerate() {
            let path = format!("{path}.content[{index}]");
            match part {
                Part::Text(text) => turn.push_text(text),
                Part::Image(image) => {
                    self.note(&path, "Ollama's models may not look at a tool's pictures");
                    turn.images.push(self.image(image, &path)?);
                }
                Part::Other { kind, .. } => {
                    return Err(Refusal::new(path, format!("Ollama takes no content of type {kind}")));
                }
                Part::Refusal(_) | Part::Thinking { .. } | Part::ToolCall(_) | Part::ToolResult(_) => {
                    return Err(Refusal::new(path, "a tool's result holds only text and pictures"));
                }
            }
        }
        self.turns.push(turn);
        Ok(())
    }

    fn image(&mut self, image: &'a Image, path: &str) -> Result<&'a str, Refusal> {
        if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.note(format!("{path}.detail"), "left out: Ollama looks at pictures in one way");
        }
        match &image.source {
            ImageSource::Base64 { data, .. } => Ok(data),
            // Fetching it on the caller's behalf would allow requests into the gateway's own network.
            ImageSource::Url(_) => Err(Refusal::new(path, "Ollama takes pictures only as base64")),
        }
    }
}

/// Parses the arguments of an earlier call: Ollama expects an object, other dialects a string.
fn arguments(text: &str, path: &str) -> Result<Json, Refusal> {
    let text = text.trim();
    let object = if text.is_empty() || text == "null" { "{}" } else { text };
    match Json::parse(object) {
        Ok(json) if object.starts_with('{') => Ok(json),
        _ => Err(Refusal::new(format!("{path}.arguments"), "Ollama takes only a JSON object")),
    }
}

#[cfg(test)]
mod tests;
