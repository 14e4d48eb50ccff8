use bytes::BytesMut;
use fb_core::{Block, BlockCategory, FinishReason, StreamEvent, ToolDelta, Usage};
use serde::Serialize;

use super::print::{PrintedUsage, Stamp, fallback_id, finish_reason};
use crate::{
    print::{block_message, print},
    sse,
};

/// Prints a stream of another dialect as OpenAI's chunks.
#[derive(Debug, Clone)]
pub struct ChunkPrinter {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    stage: Stage,
    has_tool_calls: bool,
    usage: Option<Usage>,
    /// A refusal with a text that has not been printed.
    refusal: Option<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    NotStarted,
    /// The chunk with the role has been printed.
    Started,
    /// The chunk with the finish reason has been printed.
    Finished,
}

impl ChunkPrinter {
    /// Creates a printer for one answer; `model` is used until the provider names its own.
    pub fn new(stamp: Stamp, model: &str, include_usage: bool) -> Self {
        Self {
            id: fallback_id(stamp),
            created: stamp.created,
            model: model.to_owned(),
            include_usage,
            stage: Stage::NotStarted,
            has_tool_calls: false,
            usage: None,
            refusal: None,
        }
    }

    /// Appends the equivalent chunks to `out`. Only [`StreamEvent::Done`] prints `[DONE]`.
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
                self.text(text, |text| Delta { content: Some(text), ..Delta::default() }, out);
            }
            StreamEvent::Thinking(text) => {
                self.text(text, |text| Delta { reasoning_content: Some(text), ..Delta::default() }, out);
            }
            StreamEvent::Refusal(text) => {
                self.refusal = None;
                self.text(text, |text| Delta { refusal: Some(text), ..Delta::default() }, out);
            }
            StreamEvent::ToolCall(delta) => {
                self.has_tool_calls = true;
                self.delta(Delta { tool_calls: Some([delta.into()]), ..Delta::default() }, out);
            }
            StreamEvent::Blocked(block) => self.block(block, out),
            StreamEvent::Finish(reason) => self.finish(reason, out),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Resumed { by, id } => {
                // The start of the stream may have been forwarded unchanged instead of printed here.
                self.stage = self.stage.max(Stage::Started);
                if let Some(id) = id {
                    self.id.clone_from(id);
                }
                self.resumed(&by.to_string(), out);
            }
            StreamEvent::Done => self.end(out),
        }
    }

    fn text<'a>(&mut self, text: &'a str, delta: impl FnOnce(&'a str) -> Delta<'a>, out: &mut BytesMut) {
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
            self.delta(Delta { refusal: Some(block_message(&block)), ..Delta::default() }, out);
        }
        self.begin(out);
        self.stage = Stage::Finished;
        self.chunk(&[Choice::empty(Some(finish_reason(reason)))], None, out);
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.finish(if self.has_tool_calls { &FinishReason::ToolCalls } else { &FinishReason::Stop }, out);
        if let Some(usage) = self.usage.filter(|_| self.include_usage) {
            self.chunk(&[], Some(usage), out);
        }
        sse::put_event(None, b"[DONE]", out);
    }

    /// Prints the chunk with the role, unless it was printed before.
    fn begin(&mut self, out: &mut BytesMut) {
        if self.stage == Stage::NotStarted {
            self.stage = Stage::Started;
            self.delta(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, out);
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut BytesMut) {
        self.begin(out);
        self.chunk(&[Choice { index: 0, delta, finish_reason: None, logprobs: () }], None, out);
    }

    /// Prints a chunk without output that names the target that resumes the answer, in a field of fb's own.
    fn resumed(&self, by: &str, out: &mut BytesMut) {
        self.print_chunk(&[Choice::empty(None)], None, Some(Extension { resumed_by: by }), out);
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<Usage>, out: &mut BytesMut) {
        self.print_chunk(choices, usage, None, out);
    }

    fn print_chunk(
        &self,
        choices: &[Choice<'_>],
        usage: Option<Usage>,
        fb: Option<Extension<'_>>,
        out: &mut BytesMut,
    ) {
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
    /// Absent if the caller did not request it; otherwise `null` in every chunk but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "absent, `null` and counts are three things")]
    usage: Option<Option<PrintedUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fb: Option<Extension<'a>>,
}

/// Fields of fb that the API does not have.
#[derive(Serialize)]
struct Extension<'a> {
    /// The target that resumes an interrupted answer.
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
