//! The conversation: Anthropic's turns alternate, and results of tools stand at the head of the user's turn.

use std::{borrow::Cow, collections::HashSet};

use fb_core::{Chat, Image, ImageSource, Message, Part, Refusal, Role, ToolCall, ToolResult};
use serde_json::value::RawValue;

use super::{
    Notes,
    body::{Block, Source, Speaker, TextBlock, Turn},
};
use crate::{
    anthropic::{Limits, print::tool_id},
    value::Fields,
};

pub(super) struct Conversation<'a> {
    pub(super) system: Vec<TextBlock<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

impl Conversation<'_> {
    /// Whether the model would answer the result of a call that it made without thinking.
    pub(super) fn calls_tools_unthought(&self) -> bool {
        let answers = self.turns.last().and_then(|turn| turn.content.first());
        let caller = self.turns.iter().rfind(|turn| turn.role == Speaker::Assistant);
        let thought = caller.and_then(|turn| turn.content.first());
        matches!(answers, Some(Block::ToolResult { .. })) && !matches!(thought, Some(Block::Thinking { .. }))
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
    let mut writer = Writer { turns: Vec::new(), calls: Calls::default(), notes };
    for (index, message) in chat.messages.iter().enumerate().skip(leading) {
        writer.message(index, message)?;
    }
    writer.calls.all_answered()?;
    let turns = writer.turns;
    let turns = place_system(turns, limits, notes);
    let turns = end(turns, limits)?;
    let turns = begin(turns, notes);
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
    for (place, part) in message.parts.iter().enumerate() {
        let Part::Text(text) = part else {
            return Err(Refusal::new(content_path(index, place), "a system message holds text only"));
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
    calls: Calls<'a>,
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
                push(&mut self.turns, Speaker::System, blocks, index);
                Ok(())
            }
            Role::User | Role::Tool => self.user(index, message),
            Role::Assistant => self.assistant(index, message),
        }
    }

    fn user(&mut self, index: usize, message: &'a Message) -> Result<(), Refusal> {
        let (mut results, mut blocks) = (Vec::new(), Vec::new());
        for (place, part) in message.parts.iter().enumerate() {
            match part {
                Part::ToolResult(result) => results.push(self.result(index, result)?),
                Part::Image(image) => blocks.push(self.image(index, place, image)?),
                Part::Text(_)
                | Part::Refusal(_)
                | Part::Thinking { .. }
                | Part::ToolCall(_)
                | Part::Other { .. } => {
                    blocks.extend(self.plain(index, place, part)?);
                }
            }
        }
        if message.role == Role::Tool && results.is_empty() {
            return Err(Refusal::new(format!("messages[{index}].tool_call_id"), "is missing"));
        }
        self.push_results(results, index);
        push(&mut self.turns, Speaker::User, blocks, index);
        Ok(())
    }

    fn assistant(&mut self, index: usize, message: &'a Message) -> Result<(), Refusal> {
        if self.turns.last().is_some_and(|turn| turn.role != Speaker::Assistant) {
            self.calls.next_turn()?;
        }
        let mut blocks = Vec::new();
        let mut number = 0;
        for (place, part) in message.parts.iter().enumerate() {
            if let Part::ToolCall(call) = part {
                let path = format!("messages[{index}].tool_calls[{number}]");
                blocks.push(Block::ToolUse {
                    id: self.calls.ask(&path, &call.id),
                    name: &call.name,
                    input: input(&path, call)?,
                });
                number += 1;
            } else {
                blocks.extend(self.plain(index, place, part)?);
            }
        }
        push(&mut self.turns, Speaker::Assistant, blocks, index);
        Ok(())
    }

    /// What may stand in a turn of either side.
    fn plain(&mut self, index: usize, place: usize, part: &'a Part) -> Result<Option<Block<'a>>, Refusal> {
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
            // Mistral's word; Anthropic's own of this type was read as thinking.
            Part::Other { kind, .. } if kind == "thinking" => {
                self.drop_thinking(index);
                Ok(None)
            }
            Part::Other { kind, value } => other(&content_path(index, place), kind, value).map(Some),
            Part::Image(_) => {
                Err(Refusal::new(content_path(index, place), "only the user's side can show pictures"))
            }
            Part::ToolCall(_) => {
                Err(Refusal::new(content_path(index, place), "only the assistant can call tools"))
            }
            Part::ToolResult(_) => {
                Err(Refusal::new(content_path(index, place), "only the user's side can give a tool's result"))
            }
        }
    }

    fn drop_thinking(&mut self, index: usize) {
        let what = "dropped: only Anthropic's own thinking, signed, can go back to it";
        self.notes.add(format!("messages[{index}].thinking"), what);
    }

    fn image(&mut self, index: usize, place: usize, image: &'a Image) -> Result<Block<'a>, Refusal> {
        let path = || content_path(index, place);
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
        let tool_use_id = self.calls.answer(index, &result.id)?;
        let mut content = Vec::new();
        for (place, part) in result.parts.iter().enumerate() {
            if let Part::Image(image) = part {
                content.push(self.image(index, place, image)?);
            } else {
                content.extend(self.plain(index, place, part)?);
            }
        }
        Ok(Block::ToolResult { tool_use_id, content, is_error: result.is_error })
    }

    /// Puts results at the head of the user's turn that follows the calls, wherever the caller had put them.
    fn push_results(&mut self, results: Vec<Block<'a>>, index: usize) {
        if results.is_empty() {
            return;
        }
        let calls = self.turns.iter().rposition(|turn| turn.role == Speaker::Assistant);
        let at = calls.map_or(0, |calls| calls + 1);
        match self.turns.get_mut(at) {
            Some(turn) if turn.role == Speaker::User => {
                let is_result = |block: &&Block<'_>| matches!(block, Block::ToolResult { .. });
                let head = turn.content.iter().take_while(is_result).count();
                turn.content.splice(head..head, results);
            }
            _ => self.turns.insert(at, Turn { role: Speaker::User, content: results, from: index }),
        }
    }
}

/// Adds to the last turn or begins one, as the API itself would.
fn push<'a>(turns: &mut Vec<Turn<'a>>, role: Speaker, content: Vec<Block<'a>>, from: usize) {
    match turns.last_mut() {
        _ if content.is_empty() => {}
        Some(turn) if turn.role == role => turn.content.extend(content),
        _ => turns.push(Turn { role, content, from }),
    }
}

/// The arguments as the object they must be.
fn input<'a>(path: &str, call: &'a ToolCall) -> Result<&'a RawValue, Refusal> {
    let text = call.arguments.trim();
    let text = if text.is_empty() { "{}" } else { text };
    let object = serde_json::from_str::<&RawValue>(text).ok().filter(|value| value.get().starts_with('{'));
    object.ok_or_else(|| Refusal::new(format!("{path}.function.arguments"), "are no JSON object"))
}

/// A part of a kind without a word in the vocabulary: a PDF in the request, or a block of this dialect.
fn other<'a>(path: &str, kind: &str, value: &'a fb_core::Json) -> Result<Block<'a>, Refusal> {
    match kind {
        "document" | "search_result" | "redacted_thinking" => Ok(Block::Verbatim(value)),
        "file" => pdf(value.get())
            .ok_or_else(|| Refusal::new(path, "of files Anthropic takes PDF documents as data only")),
        _ => Err(Refusal::new(path, format!("Anthropic takes no {kind:.40}"))),
    }
}

/// `{"file": {"file_data": "data:application/pdf;base64,..", "filename": ".."}}` as a document.
fn pdf(part: &str) -> Option<Block<'_>> {
    let part: Fields<'_> = serde_json::from_str(part).ok()?;
    let file: Fields<'_> = serde_json::from_str(part.get("file")?).ok()?;
    let text = |name| file.get(name).and_then(|text| serde_json::from_str::<String>(text).ok());
    let data = text("file_data")?.strip_prefix("data:application/pdf;base64,")?.to_owned();
    let source = Source::Base64 { media_type: "application/pdf", data: Cow::Owned(data) };
    Some(Block::Document { source, title: text("filename").map(Cow::Owned) })
}

/// The tool calls of the turn at hand, and every id given out.
#[derive(Default)]
struct Calls<'a> {
    turn: Vec<Asked<'a>>,
    given: HashSet<String>,
}

struct Asked<'a> {
    path: String,
    id: &'a str,
    given: String,
    answered: bool,
}

impl<'a> Calls<'a> {
    /// Anthropic's ids have a narrow alphabet and must not come twice.
    fn ask(&mut self, path: &str, id: &'a str) -> String {
        let base = tool_id(id);
        let mut given = base.to_string();
        let mut number = 1_u32;
        while !self.given.insert(given.clone()) {
            number += 1;
            given = format!("{base}_{number}");
        }
        self.turn.push(Asked { path: path.to_owned(), id, given: given.clone(), answered: false });
        given
    }

    fn answer(&mut self, index: usize, id: &str) -> Result<String, Refusal> {
        let open = self.turn.iter_mut().find(|asked| asked.id == id && !asked.answered);
        let open = open.ok_or_else(|| {
            let field = format!("messages[{index}].tool_call_id");
            Refusal::new(field, "the assistant's last turn has no open call of this id")
        })?;
        open.answered = true;
        Ok(open.given.clone())
    }

    fn next_turn(&mut self) -> Result<(), Refusal> {
        self.all_answered()?;
        self.turn.clear();
        Ok(())
    }

    fn all_answered(&self) -> Result<(), Refusal> {
        let lost = self.turn.iter().find(|asked| !asked.answered);
        lost.map_or(Ok(()), |asked| Err(Refusal::new(&asked.path, "has no result, and Anthropic wants one")))
    }
}

/// Keeps system turns where Anthropic allows them, between a user's turn and the assistant's or the end; makes the
/// others the user's words. None moves: to hoist one would rewrite the prefix that the provider has cached.
fn place_system<'a>(turns: Vec<Turn<'a>>, limits: &Limits, notes: &mut Notes) -> Vec<Turn<'a>> {
    let mut placed: Vec<Turn<'a>> = Vec::with_capacity(turns.len());
    let mut rest = turns.into_iter().peekable();
    while let Some(turn) = rest.next() {
        let after_user = placed.last().is_some_and(|turn| turn.role == Speaker::User);
        let before_user = rest.peek().is_some_and(|turn| turn.role == Speaker::User);
        let stays = turn.role != Speaker::System || (limits.mid_system && after_user && !before_user);
        let Turn { role, content, from } = turn;
        if stays {
            push(&mut placed, role, content, from);
        } else {
            let what = "became user text: the model takes no system message at this place";
            notes.add(format!("messages[{from}].role"), what);
            push(&mut placed, Speaker::User, content.into_iter().map(tagged).collect(), from);
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

/// A turn of the assistant at the end is the beginning of its answer.
fn end<'a>(mut turns: Vec<Turn<'a>>, limits: &Limits) -> Result<Vec<Turn<'a>>, Refusal> {
    let Some(last) = turns.last_mut().filter(|turn| turn.role == Speaker::Assistant) else {
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

fn begin<'a>(mut turns: Vec<Turn<'a>>, notes: &mut Notes) -> Vec<Turn<'a>> {
    if turns.first().is_none_or(|turn| turn.role != Speaker::User) {
        let content = vec![Block::Text { text: Cow::Borrowed("…") }];
        turns.insert(0, Turn { role: Speaker::User, content, from: 0 });
        notes.add("messages", "a user turn \"…\" was put first: Anthropic wants one");
    }
    turns
}
