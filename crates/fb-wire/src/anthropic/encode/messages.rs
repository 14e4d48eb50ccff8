//! Encodes the conversation: Anthropic's turns alternate, and tool results come first in the user's turn.

use std::{borrow::Cow, collections::HashSet};

use fb_core::{Chat, Image, ImageSource, Message, Part, Refusal, Role, ToolCall, ToolResult};
use serde_json::value::RawValue;

use super::body::{Block, Source, TextBlock, Turn, TurnRole};
use crate::{
    anthropic::{limits::Limits, notes::Notes, print::tool_id},
    value::Fields,
};

pub(super) struct Conversation<'a> {
    pub(super) system: Vec<TextBlock<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

impl Conversation<'_> {
    /// Returns true if the conversation ends with the result of a call that the model made without thinking.
    pub(super) fn ends_with_unthinking_call(&self) -> bool {
        let result = self.turns.last().and_then(|turn| turn.content.first());
        let caller = self.turns.iter().rfind(|turn| turn.role == TurnRole::Assistant);
        let thought = caller.and_then(|turn| turn.content.first());
        matches!(result, Some(Block::ToolResult { .. })) && !matches!(thought, Some(Block::Thinking { .. }))
    }
}

pub(super) fn conversation<'a>(
    chat: &'a Chat,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<Conversation<'a>, Refusal> {
    let leading = chat.messages.iter().take_while(|message| is_system(message)).count();
    let mut system = Vec::new();
    for (index, message) in chat.messages.iter().enumerate().take(leading) {
        let texts = system_texts(index, message)?;
        system.extend(texts.into_iter().map(TextBlock::new));
    }
    let mut writer = Writer { turns: Vec::new(), calls: PendingCalls::default(), notes };
    for (index, message) in chat.messages.iter().enumerate().skip(leading) {
        writer.message(index, message)?;
    }
    writer.calls.check_all_resolved()?;
    let turns = writer.turns;
    let turns = place_system(turns, limits, notes);
    let turns = prepare_prefill(turns, limits)?;
    let turns = start_with_user(turns, notes);
    if chat.messages.is_empty() {
        return Err(Refusal::new("messages", "there is nothing to send"));
    }
    Ok(Conversation { system, turns })
}

const fn is_system(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn system_texts(index: usize, message: &Message) -> Result<Vec<&str>, Refusal> {
    let mut texts = Vec::new();
    for (part_index, part) in message.parts.iter().enumerate() {
        let Part::Text(text) = part else {
            return Err(Refusal::new(content_path(index, part_index), "a system message holds text only"));
        };
        if !text.is_empty() {
            texts.push(text.as_str());
        }
    }
    Ok(texts)
}

fn content_path(message: usize, part: usize) -> String {
    format!("messages[{message}].content[{part}]")
}

struct Writer<'a, 'n> {
    turns: Vec<Turn<'a>>,
    calls: PendingCalls<'a>,
    notes: &'n mut Notes,
}

impl<'a> Writer<'a, '_> {
    fn message(&mut self, index: usize, message: &'a Message) -> Result<(), Refusal> {
        if message.name.is_some() && message.role != Role::Tool {
            self.notes.add(format!("messages[{index}].name"), "dropped: Anthropic's speakers have no names");
        }
        match message.role {
            Role::System | Role::Developer => {
                let texts = system_texts(index, message)?.into_iter();
                let blocks = texts.map(|text| Block::Text { text: Cow::Borrowed(text) }).collect();
                push(&mut self.turns, TurnRole::System, blocks, index);
                Ok(())
            }
            Role::User | Role::Tool => self.user(index, message),
            Role::Assistant => self.assistant(index, message),
        }
    }

    fn user(&mut self, index: usize, message: &'a Message) -> Result<(), Refusal> {
        let (mut results, mut blocks) = (Vec::new(), Vec::new());
        for (part_index, part) in message.parts.iter().enumerate() {
            match part {
                Part::ToolResult(result) => results.push(self.result(index, result)?),
                Part::Image(image) => blocks.push(self.image(index, part_index, image)?),
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Thinking { .. }
                | Part::ToolCall(_)
                | Part::Other { .. } => {
                    blocks.extend(self.plain(index, part_index, part)?);
                }
            }
        }
        if message.role == Role::Tool && results.is_empty() {
            return Err(Refusal::new(format!("messages[{index}].tool_call_id"), "is missing"));
        }
        self.push_results(results, index);
        push(&mut self.turns, TurnRole::User, blocks, index);
        Ok(())
    }

    fn assistant(&mut self, index: usize, message: &'a Message) -> Result<(), Refusal> {
        if self.turns.last().is_some_and(|turn| turn.role != TurnRole::Assistant) {
            self.calls.start_turn()?;
        }
        let mut blocks = Vec::new();
        let mut number = 0;
        for (part_index, part) in message.parts.iter().enumerate() {
            if let Part::ToolCall(call) = part {
                let path = format!("messages[{index}].tool_calls[{number}]");
                blocks.push(Block::ToolUse {
                    id: self.calls.register(&path, &call.id),
                    name: &call.name,
                    input: input(&path, call)?,
                });
                number += 1;
            } else {
                blocks.extend(self.plain(index, part_index, part)?);
            }
        }
        push(&mut self.turns, TurnRole::Assistant, blocks, index);
        Ok(())
    }

    /// Encodes a part that is allowed in both the user's and the assistant's turns.
    fn plain(
        &mut self,
        index: usize,
        part_index: usize,
        part: &'a Part,
    ) -> Result<Option<Block<'a>>, Refusal> {
        match part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => Ok(None),
            Part::Text(text) | Part::Refusal(text) => Ok(Some(Block::Text { text: Cow::Borrowed(text) })),
            Part::Thinking { text, signature: Some(signature) } if !signature.is_empty() => {
                Ok(Some(Block::Thinking { thinking: text, signature }))
            }
            Part::Thinking { .. } => {
                self.drop_thinking(index);
                Ok(None)
            }
            // Mistral's format; Anthropic's own parts of this type were parsed as thinking.
            Part::Other { kind, .. } if kind == "thinking" => {
                self.drop_thinking(index);
                Ok(None)
            }
            Part::Other { kind, value } => {
                unknown_part(&content_path(index, part_index), kind, value).map(Some)
            }
            Part::Image(_) => {
                Err(Refusal::new(content_path(index, part_index), "only the user's side can show pictures"))
            }
            Part::ToolCall(_) => {
                Err(Refusal::new(content_path(index, part_index), "only the assistant can call tools"))
            }
            Part::ToolResult(_) => Err(Refusal::new(
                content_path(index, part_index),
                "only the user's side can give a tool's result",
            )),
        }
    }

    fn drop_thinking(&mut self, index: usize) {
        let what = "dropped: only Anthropic's own thinking, signed, can go back to it";
        self.notes.add(format!("messages[{index}].thinking"), what);
    }

    fn image(&mut self, index: usize, part_index: usize, image: &'a Image) -> Result<Block<'a>, Refusal> {
        let path = || content_path(index, part_index);
        if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.notes.add(path() + ".image_url.detail", "dropped: Anthropic looks at all pictures alike");
        }
        let source = match &image.source {
            ImageSource::Url(url) => Source::Url { url },
            ImageSource::Base64 { media_type, data } => {
                let media_type = match media_type.as_str() {
                    "image/jpeg" | "image/jpg" => "image/jpeg",
                    known @ ("image/png" | "image/gif" | "image/webp") => known,
                    _ => {
                        return Err(Refusal::new(path(), "Anthropic sees JPEG, PNG, GIF and WebP only"));
                    }
                };
                Source::Base64 { media_type, data: Cow::Borrowed(data) }
            }
        };
        Ok(Block::Image { source })
    }

    fn result(&mut self, index: usize, result: &'a ToolResult) -> Result<Block<'a>, Refusal> {
        let tool_use_id = self.calls.resolve(index, &result.id)?;
        let mut content = Vec::new();
        for (part_index, part) in result.parts.iter().enumerate() {
            if let Part::Image(image) = part {
                content.push(self.image(index, part_index, image)?);
            } else {
                content.extend(self.plain(index, part_index, part)?);
            }
        }
        Ok(Block::ToolResult { tool_use_id, content, is_error: result.is_error })
    }

    /// Inserts results at the start of the user's turn after the calls, regardless of their original position.
    fn push_results(&mut self, results: Vec<Block<'a>>, index: usize) {
        if results.is_empty() {
            return;
        }
        let calls = self.turns.iter().rposition(|turn| turn.role == TurnRole::Assistant);
        let position = calls.map_or(0, |calls| calls + 1);
        match self.turns.get_mut(position) {
            Some(turn) if turn.role == TurnRole::User => {
                let is_result = |block: &&Block<'_>| matches!(block, Block::ToolResult { .. });
                let existing = turn.content.iter().take_while(is_result).count();
                turn.content.splice(existing..existing, results);
            }
            _ => self.turns.insert(position, Turn { role: TurnRole::User, content: results, from: index }),
        }
    }
}

/// Appends to the last turn, or starts a new one if the role differs.
fn push<'a>(turns: &mut Vec<Turn<'a>>, role: TurnRole, content: Vec<Block<'a>>, from: usize) {
    match turns.last_mut() {
        _ if content.is_empty() => {}
        Some(turn) if turn.role == role => turn.content.extend(content),
        _ => turns.push(Turn { role, content, from }),
    }
}

/// Returns the arguments, which must be an object.
fn input<'a>(path: &str, call: &'a ToolCall) -> Result<&'a RawValue, Refusal> {
    let text = call.arguments.trim();
    let text = if text.is_empty() { "{}" } else { text };
    let object = serde_json::from_str::<&RawValue>(text).ok().filter(|value| value.get().starts_with('{'));
    object.ok_or_else(|| Refusal::new(format!("{path}.function.arguments"), "are no JSON object"))
}

/// Encodes a part without a counterpart in the vocabulary: a PDF in the request, or a block of this dialect.
fn unknown_part<'a>(path: &str, kind: &str, value: &'a fb_core::Json) -> Result<Block<'a>, Refusal> {
    match kind {
        "document" | "search_result" | "redacted_thinking" => Ok(Block::Verbatim(value)),
        "file" => pdf(value.get())
            .ok_or_else(|| Refusal::new(path, "of files Anthropic takes PDF documents as data only")),
        _ => Err(Refusal::new(path, format!("Anthropic takes no {kind:.40}"))),
    }
}

/// Converts `{"file": {"file_data": "data:application/pdf;base64,..", "filename": ".."}}` to a document.
fn pdf(part: &str) -> Option<Block<'_>> {
    let part: Fields<'_> = serde_json::from_str(part).ok()?;
    let file: Fields<'_> = serde_json::from_str(part.get("file")?).ok()?;
    let text = |name| file.get(name).and_then(|text| serde_json::from_str::<String>(text).ok());
    let data = text("file_data")?.strip_prefix("data:application/pdf;base64,")?.to_owned();
    let source = Source::Base64 { media_type: "application/pdf", data: Cow::Owned(data) };
    Some(Block::Document { source, title: text("filename").map(Cow::Owned) })
}

/// The tool calls of the current turn, and all assigned ids.
#[derive(Default)]
struct PendingCalls<'a> {
    turn: Vec<PendingCall<'a>>,
    assigned: HashSet<String>,
}

struct PendingCall<'a> {
    path: String,
    id: &'a str,
    assigned: String,
    resolved: bool,
}

impl<'a> PendingCalls<'a> {
    /// Adds a call and assigns an id to it: Anthropic's ids have a restricted alphabet and must be unique.
    fn register(&mut self, path: &str, id: &'a str) -> String {
        let base = tool_id(id);
        let mut assigned = base.to_string();
        let mut number = 1_u32;
        while !self.assigned.insert(assigned.clone()) {
            number += 1;
            assigned = format!("{base}_{number}");
        }
        self.turn.push(PendingCall {
            path: path.to_owned(),
            id,
            assigned: assigned.clone(),
            resolved: false,
        });
        assigned
    }

    /// Marks the call with this id as resolved and returns its assigned id.
    fn resolve(&mut self, index: usize, id: &str) -> Result<String, Refusal> {
        let call = self.turn.iter_mut().find(|call| call.id == id && !call.resolved);
        let call = call.ok_or_else(|| {
            let field = format!("messages[{index}].tool_call_id");
            Refusal::new(field, "the assistant's last turn has no open call of this id")
        })?;
        call.resolved = true;
        Ok(call.assigned.clone())
    }

    fn start_turn(&mut self) -> Result<(), Refusal> {
        self.check_all_resolved()?;
        self.turn.clear();
        Ok(())
    }

    fn check_all_resolved(&self) -> Result<(), Refusal> {
        let unresolved = self.turn.iter().find(|call| !call.resolved);
        unresolved
            .map_or(Ok(()), |call| Err(Refusal::new(&call.path, "has no result, and Anthropic wants one")))
    }
}

/// Keeps system turns where Anthropic allows them, between a user's turn and the assistant's or the end, and converts
/// the others to user text. None is moved, since that would change the prefix that the provider has cached.
fn place_system<'a>(turns: Vec<Turn<'a>>, limits: &Limits, notes: &mut Notes) -> Vec<Turn<'a>> {
    let mut placed: Vec<Turn<'a>> = Vec::with_capacity(turns.len());
    let mut rest = turns.into_iter().peekable();
    while let Some(turn) = rest.next() {
        let after_user = placed.last().is_some_and(|turn| turn.role == TurnRole::User);
        let before_user = rest.peek().is_some_and(|turn| turn.role == TurnRole::User);
        let is_allowed = turn.role != TurnRole::System || (limits.mid_system && after_user && !before_user);
        let Turn { role, content, from } = turn;
        if is_allowed {
            push(&mut placed, role, content, from);
        } else {
            let what = "became user text: the model takes no system message at this place";
            notes.add(format!("messages[{from}].role"), what);
            push(&mut placed, TurnRole::User, content.into_iter().map(tagged).collect(), from);
        }
    }
    placed
}

fn tagged(block: Block<'_>) -> Block<'_> {
    match block {
        Block::Text { text } => Block::Text { text: Cow::Owned(format!("<system>\n{text}\n</system>")) },
        other => other,
    }
}

/// Prepares an assistant turn at the end, which the model is to continue.
fn prepare_prefill<'a>(mut turns: Vec<Turn<'a>>, limits: &Limits) -> Result<Vec<Turn<'a>>, Refusal> {
    let Some(last) = turns.last_mut().filter(|turn| turn.role == TurnRole::Assistant) else {
        return Ok(turns);
    };
    if !limits.prefill {
        let field = format!("messages[{}]", last.from);
        return Err(Refusal::new(field, "the model does not continue an answer it is given"));
    }
    if let Some(Block::Text { text }) = last.content.last_mut() {
        let trimmed = text.trim_end().to_owned();
        if trimmed.is_empty() {
            last.content.pop();
        } else {
            *text = Cow::Owned(trimmed);
        }
    }
    if last.content.is_empty() {
        turns.pop();
    }
    Ok(turns)
}

/// Inserts a user turn if the conversation does not start with one, as Anthropic requires.
fn start_with_user<'a>(mut turns: Vec<Turn<'a>>, notes: &mut Notes) -> Vec<Turn<'a>> {
    if turns.first().is_none_or(|turn| turn.role != TurnRole::User) {
        let content = vec![Block::Text { text: Cow::Borrowed("…") }];
        turns.insert(0, Turn { role: TurnRole::User, content, from: 0 });
        notes.add("messages", "a user turn \"…\" was put first: Anthropic wants one");
    }
    turns
}
