use std::borrow::Cow;

use bytes::BytesMut;
use fb_core::{FinishReason, StreamEvent, ToolDelta, Usage};
use serde::{Deserialize, Serialize};

use super::print::{
    Content, Message, PrintedUsage, StopDetails, error_event, is_refusal, stop_reason, tool_id_or,
};
use crate::{
    print::{block_message, print},
    sse,
};

/// Prints a stream of another dialect as Anthropic's events.
///
/// Thinking is left out, as in [`print_reply`](super::print_reply). Other dialects send token counts after the finish
/// reason and Anthropic in the same event, so both are printed at the end.
#[derive(Debug)]
pub struct EventPrinter {
    id: Option<String>,
    model: String,
    stage: Stage,
    /// The open content block.
    open: Option<Kind>,
    /// The number of content blocks opened so far.
    blocks: u32,
    /// The number of tool calls opened so far.
    calls: u32,
    finish: Option<FinishReason>,
    blocked: Option<String>,
    usage: Option<Usage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    NotStarted,
    /// `message_start` has been printed.
    Started,
    /// `message_stop` or an error has been printed.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// The tool call with this index.
    Tool(u32),
    /// Another block, which was forwarded.
    Other,
}

impl EventPrinter {
    /// Creates a printer for one answer; `model` is used until the provider names its own.
    pub fn new(model: &str) -> Self {
        Self {
            id: None,
            model: model.to_owned(),
            stage: Stage::NotStarted,
            open: None,
            blocks: 0,
            calls: 0,
            finish: None,
            blocked: None,
            usage: None,
        }
    }

    /// Appends the equivalent events to `out`. Only [`StreamEvent::Done`] prints `message_stop`.
    pub fn print(&mut self, events: &[StreamEvent], out: &mut BytesMut) {
        for event in events {
            if self.stage != Stage::Ended {
                self.event(event, out);
            }
        }
    }

    /// Follows events of the dialect that were forwarded as they are, so that what is printed after them, when another target
    /// resumes the answer, continues their blocks.
    pub fn forward(&mut self, bytes: &[u8]) {
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let forwarded = line.strip_prefix(b"data:").and_then(|data| serde_json::from_slice(data).ok());
            if let Some(forwarded) = forwarded {
                self.follow(&forwarded);
            }
        }
    }

    fn follow(&mut self, Forwarded { kind, index, content_block }: &Forwarded<'_>) {
        match &**kind {
            "message_start" => self.stage = Stage::Started,
            "content_block_start" => {
                self.blocks = index.unwrap_or(self.blocks).saturating_add(1);
                self.open = Some(match content_block.as_ref().map(|block| &*block.kind) {
                    Some("text") => Kind::Text,
                    Some("tool_use") => {
                        self.calls = self.calls.saturating_add(1);
                        Kind::Tool(self.calls - 1)
                    }
                    _ => Kind::Other,
                });
            }
            "content_block_stop" => self.open = None,
            "message_stop" => self.stage = Stage::Ended,
            _ => {}
        }
    }

    fn event(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        match event {
            StreamEvent::Started { id, model } => {
                self.id.clone_from(id);
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
                self.begin(out);
            }
            StreamEvent::Text(text) | StreamEvent::Refusal(text) => self.text(text, out),
            StreamEvent::Thinking(_) => self.begin(out),
            StreamEvent::ToolCall(delta) => self.tool(delta, out),
            StreamEvent::Finish(finish) => self.finish = Some(finish.clone()),
            StreamEvent::Blocked(block) => self.blocked = Some(block_message(block).to_owned()),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            // The API has no such event, and clients ignore unknown fields of a ping.
            StreamEvent::Resumed { by, .. } => {
                write("ping", &Event::Ping { fb: Extension { resumed_by: &by.to_string() } }, out);
            }
            StreamEvent::Done => self.end(out),
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if self.stage == Stage::NotStarted {
            self.stage = Stage::Started;
            let message = Message::new(self.id.as_deref(), &self.model, Vec::new(), None, None, self.usage);
            write("message_start", &Event::MessageStart { message }, out);
        }
    }

    fn text(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(Kind::Text) {
            self.begin(out);
            self.close(out);
            self.open(Kind::Text, Content::Text { text: "" }, out);
        }
        self.delta(Delta::TextDelta { text }, out);
    }

    fn tool(&mut self, delta: &ToolDelta, out: &mut BytesMut) {
        let kind = Kind::Tool(delta.index);
        if self.open != Some(kind) {
            self.begin(out);
            self.close(out);
            if delta.index < self.calls {
                // A closed block cannot be continued, and a call with incomplete arguments would be wrong.
                let message = "the provider's tool calls overlap, which this API cannot say";
                out.extend_from_slice(&error_event("api_error", message, None));
                self.stage = Stage::Ended;
                return;
            }
            let id = tool_id_or(delta.id.as_deref().unwrap_or_default(), delta.index as usize);
            let name = delta.name.as_deref().unwrap_or_default();
            let head = Content::tool_use(id, name);
            self.calls = delta.index.saturating_add(1);
            self.open(kind, head, out);
        }
        if !delta.arguments.is_empty() {
            self.delta(Delta::InputJsonDelta { partial_json: &delta.arguments }, out);
        }
    }

    fn open(&mut self, kind: Kind, content_block: Content<'_>, out: &mut BytesMut) {
        let index = self.blocks;
        self.blocks = index.saturating_add(1);
        self.open = Some(kind);
        write("content_block_start", &Event::ContentBlockStart { index, content_block }, out);
    }

    fn delta(&self, delta: Delta<'_>, out: &mut BytesMut) {
        let index = self.blocks.saturating_sub(1);
        write("content_block_delta", &Event::ContentBlockDelta { index, delta }, out);
    }

    fn close(&mut self, out: &mut BytesMut) {
        if self.open.take().is_some() {
            let index = self.blocks.saturating_sub(1);
            write("content_block_stop", &Event::ContentBlockStop { index }, out);
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.begin(out);
        self.close(out);
        let finish = match self.finish.take() {
            Some(finish) => finish,
            None if self.calls > 0 => FinishReason::ToolCalls,
            None => FinishReason::Stop,
        };
        let refused = self.blocked.is_some() || is_refusal(&finish);
        let delta = Ending {
            stop_reason: if refused { "refusal" } else { stop_reason(&finish) },
            stop_sequence: (),
            stop_details: refused.then(|| StopDetails::new(self.blocked.as_deref())),
        };
        let usage = PrintedUsage::from(self.usage.unwrap_or_default());
        write("message_delta", &Event::MessageDelta { delta, usage }, out);
        write("message_stop", &Event::MessageStop, out);
        self.stage = Stage::Ended;
    }
}

fn write(name: &str, event: &Event<'_>, out: &mut BytesMut) {
    sse::put_event(Some(name), &print(event), out);
}

/// The parts of a forwarded event that decide how its stream goes on.
#[derive(Deserialize)]
struct Forwarded<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    index: Option<u32>,
    #[serde(borrow)]
    content_block: Option<ForwardedBlock<'a>>,
}

#[derive(Deserialize)]
struct ForwardedBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// Fields of fb that the API does not have.
#[derive(Serialize)]
struct Extension<'a> {
    /// The target that resumes an interrupted answer.
    resumed_by: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    Ping { fb: Extension<'a> },
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: Content<'a> },
    ContentBlockDelta { index: u32, delta: Delta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: Ending<'a>, usage: PrintedUsage },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta<'a> {
    TextDelta { text: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the provider's")]
struct Ending<'a> {
    stop_reason: &'static str,
    stop_sequence: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<StopDetails<'a>>,
}

#[cfg(test)]
mod tests;
