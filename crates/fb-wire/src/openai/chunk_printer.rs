use bytes::BytesMut;
use fb_core::{Block, BlockCategory, FinishReason, StreamEvent, ToolDelta, Usage};
use serde::Serialize;

use super::print::{PrintedUsage, finish_word, made_up_id, print, said_of};
use crate::sse;

/// Prints the events of another dialect's stream as OpenAI's chunks.
#[derive(Debug, Clone)]
pub struct ChunkPrinter {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    stage: Stage,
    called: bool,
    usage: Option<Usage>,
    /// A refusal whose wording has not gone out.
    refusal: Option<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Fresh,
    /// The chunk with the role went out.
    Begun,
    /// The chunk with the reason went out.
    Finished,
}

impl ChunkPrinter {
    /// A printer of one answer; `model` stands in its chunks until the provider names its own.
    pub fn new(created: u64, model: &str, include_usage: bool) -> Self {
        Self {
            id: made_up_id(created),
            created,
            model: model.to_owned(),
            include_usage,
            stage: Stage::Fresh,
            called: false,
            usage: None,
            refusal: None,
        }
    }

    /// Appends the chunks that say what the events mean. `[DONE]` is printed for
    /// [`StreamEvent::Done`] and nothing else.
    pub fn print(&mut self, events: &[StreamEvent], out: &mut BytesMut) {
        for event in events {
            self.event(event, out);
        }
    }

    fn event(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        match event {
            StreamEvent::Started { id, model } => {
                if let Some(id) = id {
                    self.id.clone_from(id);
                }
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
                self.begin(out);
            }
            StreamEvent::Text(text) => {
                self.say(text, |text| Delta { content: Some(text), ..Delta::default() }, out);
            }
            StreamEvent::Thinking(text) => {
                self.say(text, |text| Delta { reasoning_content: Some(text), ..Delta::default() }, out);
            }
            StreamEvent::Refusal(text) => {
                self.refusal = None;
                self.say(text, |text| Delta { refusal: Some(text), ..Delta::default() }, out);
            }
            StreamEvent::ToolCall(delta) => {
                self.called = true;
                self.delta(Delta { tool_calls: Some([delta.into()]), ..Delta::default() }, out);
            }
            StreamEvent::Blocked(block) => self.block(block, out),
            StreamEvent::Finish(reason) => self.finish(reason, out),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Resumed { by, id } => {
                // What went out before it may not have been printed here.
                self.stage = self.stage.max(Stage::Begun);
                if let Some(id) = id {
                    self.id.clone_from(id);
                }
                self.resumed(&by.to_string(), out);
            }
            StreamEvent::Done => self.end(out),
        }
    }

    fn say<'a>(&mut self, text: &'a str, delta: impl FnOnce(&'a str) -> Delta<'a>, out: &mut BytesMut) {
        if !text.is_empty() {
            self.delta(delta(text), out);
        }
    }

    fn block(&mut self, block: &Block, out: &mut BytesMut) {
        match block.category {
            BlockCategory::Refusal => self.refusal = Some(block.clone()),
            BlockCategory::Input | BlockCategory::Output => self.finish(&FinishReason::ContentFilter, out),
        }
    }

    fn finish(&mut self, reason: &FinishReason, out: &mut BytesMut) {
        if self.stage == Stage::Finished {
            return;
        }
        if let Some(block) = self.refusal.take() {
            self.delta(Delta { refusal: Some(said_of(&block)), ..Delta::default() }, out);
        }
        self.begin(out);
        self.stage = Stage::Finished;
        self.chunk(&[Choice::empty(Some(finish_word(reason)))], None, out);
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.finish(if self.called { &FinishReason::ToolCalls } else { &FinishReason::Stop }, out);
        if let Some(usage) = self.usage.filter(|_| self.include_usage) {
            self.chunk(&[], Some(usage), out);
        }
        sse::put_event(None, b"[DONE]", out);
    }

    /// Says the role, once and before anything else.
    fn begin(&mut self, out: &mut BytesMut) {
        if self.stage == Stage::Fresh {
            self.stage = Stage::Begun;
            self.delta(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, out);
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut BytesMut) {
        self.begin(out);
        self.chunk(&[Choice { index: 0, delta, finish_reason: None, logprobs: () }], None, out);
    }

    /// A chunk without output that says who goes on, in a field of fb's own.
    fn resumed(&self, by: &str, out: &mut BytesMut) {
        self.said(&[Choice::empty(None)], None, Some(Said { resumed_by: by }), out);
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<Usage>, out: &mut BytesMut) {
        self.said(choices, usage, None, out);
    }

    fn said(&self, choices: &[Choice<'_>], usage: Option<Usage>, fb: Option<Said<'_>>, out: &mut BytesMut) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage: self.include_usage.then(|| usage.map(PrintedUsage::from)),
            fb,
        };
        sse::put_event(None, &print(&chunk), out);
    }
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Absent when nobody asked, `null` in every chunk but the last when somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "absent, `null` and counts are three things")]
    usage: Option<Option<PrintedUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fb: Option<Said<'a>>,
}

/// What only fb says.
#[derive(Serialize)]
struct Said<'a> {
    /// Who goes on with an answer that broke off.
    resumed_by: &'a str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
    logprobs: (),
}

impl Choice<'_> {
    fn empty(finish_reason: Option<&'static str>) -> Self {
        Self { index: 0, delta: Delta::default(), finish_reason, logprobs: () }
    }
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
}

#[derive(Serialize)]
struct Call<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl<'a> From<&'a ToolDelta> for Call<'a> {
    fn from(delta: &'a ToolDelta) -> Self {
        Self {
            index: delta.index,
            id: delta.id.as_deref(),
            kind: delta.id.as_ref().map(|_| "function"),
            function: Function { name: delta.name.as_deref(), arguments: &delta.arguments },
        }
    }
}

#[cfg(test)]
mod tests;
