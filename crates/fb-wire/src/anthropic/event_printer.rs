use bytes::BytesMut;
use fb_core::{FinishReason, StreamEvent, ToolDelta, Usage};
use serde::Serialize;

use super::print::{
    Content, Message, PrintedUsage, StopDetails, error_event, is_refusal, print, said_of, stop_word,
    tool_id_or,
};
use crate::sse;

/// Prints the events of another dialect's stream as Anthropic's.
///
/// Thinking is left out, as in [`print_reply`](super::print_reply). Other dialects count tokens after the reason
/// why an answer ended, Anthropic in the same event, so that both go out at the end.
#[derive(Debug)]
pub struct EventPrinter {
    id: Option<String>,
    model: String,
    stage: Stage,
    /// The open content block.
    open: Option<Kind>,
    /// How many content blocks were opened.
    blocks: u32,
    /// How many tool calls were opened.
    calls: u32,
    finish: Option<FinishReason>,
    blocked: Option<String>,
    usage: Option<Usage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    /// `message_start` went out.
    Begun,
    /// `message_stop` or an error went out.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// The call of this index.
    Tool(u32),
}

impl EventPrinter {
    /// A printer of one answer; `model` stands in it unless the provider names its own.
    pub fn new(model: &str) -> Self {
        Self {
            id: None,
            model: model.to_owned(),
            stage: Stage::Fresh,
            open: None,
            blocks: 0,
            calls: 0,
            finish: None,
            blocked: None,
            usage: None,
        }
    }

    /// Appends the events that say the same. `message_stop` is printed for [`StreamEvent::Done`] and nothing else.
    pub fn print(&mut self, events: &[StreamEvent], out: &mut BytesMut) {
        for event in events {
            if self.stage != Stage::Over {
                self.event(event, out);
            }
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
            StreamEvent::Blocked(block) => self.blocked = Some(said_of(block).to_owned()),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            // This API has no word for it, and its readers skip what they do not know in a ping.
            StreamEvent::Resumed { by, .. } => {
                write("ping", &Event::Ping { fb: Said { resumed_by: &by.to_string() } }, out);
            }
            StreamEvent::Done => self.end(out),
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if self.stage == Stage::Fresh {
            self.stage = Stage::Begun;
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
                // A closed block cannot go on, and a call without the rest of its arguments would be a wrong call.
                let said = "the provider's tool calls overlap, which this API cannot say";
                out.extend_from_slice(&error_event("api_error", said, None));
                self.stage = Stage::Over;
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
            stop_reason: if refused { "refusal" } else { stop_word(&finish) },
            stop_sequence: (),
            stop_details: refused.then(|| StopDetails::new(self.blocked.as_deref())),
        };
        let usage = PrintedUsage::from(self.usage.unwrap_or_default());
        write("message_delta", &Event::MessageDelta { delta, usage }, out);
        write("message_stop", &Event::MessageStop, out);
        self.stage = Stage::Over;
    }
}

fn write(name: &str, event: &Event<'_>, out: &mut BytesMut) {
    sse::put_event(Some(name), &print(event), out);
}

/// What only fb says.
#[derive(Serialize)]
struct Said<'a> {
    /// Who goes on with an answer that broke off.
    resumed_by: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    Ping { fb: Said<'a> },
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
#[expect(clippy::struct_field_names, reason = "the words are the provider's")]
struct Ending<'a> {
    stop_reason: &'static str,
    stop_sequence: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<StopDetails<'a>>,
}

#[cfg(test)]
mod tests;
