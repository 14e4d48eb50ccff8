use std::{collections::VecDeque, time::Duration};

use fb_core::{
    Block, BlockCategory, BlockForm, CallError, Failure, FinishReason, Frame, Reply, StreamEvent, ToolCall,
    ToolDelta, Usage,
};

use crate::fault;

/// The usage of every answer.
const USAGE: Usage = Usage { input: 10, output: 5, cached: 0, cache_written: 0, reasoning: 0 };

/// The text of the model's refusal in a `block`.
const REFUSAL: &str = "I can't help with that.";

/// The script of one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// The scripted outcome.
    pub(crate) outcome: Outcome,
    /// Time before the answer.
    pub(crate) delay: Duration,
    /// Time between two frames.
    pub(crate) gap: Duration,
    /// `true` if a complete stream ends with its end signal.
    pub(crate) done: bool,
}

/// The scripted outcome of one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// A text.
    Text(String),
    /// A tool call.
    Tool,
    /// This failure instead of an answer.
    Failed(Failure),
    /// Never an answer.
    Hang,
    /// The model's refusal with status 200.
    Refused,
    /// The prompt filtered with this status.
    Filtered(u16),
    /// The first words of an answer, followed by this break.
    Broken(Break, Text),
}

/// The first words of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// The source of the words, repeated if it is too short.
    pub(crate) source: String,
    /// The number of words.
    pub(crate) words: usize,
}

/// The event that interrupts an answer after its first words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Break {
    /// The end of the stream without its end signal.
    Cut,
    /// A failure.
    Failed(Failure),
    /// No further data.
    Stall,
    /// Empty frames.
    Pings,
    /// A content filter.
    Blocked,
}

/// A scripted stream: its items, and its behaviour after them.
#[derive(Debug)]
pub(crate) struct ScriptedStream {
    pub(crate) items: VecDeque<Result<Frame, Failure>>,
    pub(crate) end: End,
}

/// The behaviour of a stream after its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Ends the stream.
    Eof,
    /// Never sends anything again.
    Silence,
    /// Sends empty frames indefinitely.
    Pings,
}

impl Step {
    /// The result of `chat()`; `None` never answers.
    pub(crate) fn plain(&self, model: &str) -> Option<Result<Reply, CallError>> {
        let reply = Reply { model: Some(model.to_owned()), usage: Some(USAGE), ..Reply::default() };
        Some(match &self.outcome {
            Outcome::Text(text) => Ok(Reply { text: text.clone(), ..reply }),
            Outcome::Tool => {
                Ok(Reply { tool_calls: vec![tool_call()], finish: FinishReason::ToolCalls, ..reply })
            }
            Outcome::Failed(failure) => Err(failure.clone().into()),
            Outcome::Hang => return None,
            Outcome::Refused => Err(body(BlockCategory::Refusal, 200, "").into()),
            Outcome::Filtered(status) => Err(body(BlockCategory::Input, *status, "").into()),
            Outcome::Broken(end, text) => match end {
                Break::Cut => Err(fault::interrupted().into()),
                Break::Failed(failure) => Err(failure.clone().into()),
                Break::Stall | Break::Pings => return None,
                Break::Blocked => {
                    Err(body(BlockCategory::Output, 200, &text.pieces().collect::<String>()).into())
                }
            },
        })
    }

    /// The result of `stream()`; `None` never answers.
    pub(crate) fn streamed(&self) -> Option<Result<ScriptedStream, CallError>> {
        Some(match &self.outcome {
            Outcome::Text(text) => {
                let words = text.split_inclusive(' ').map(text_frame);
                Ok(self.whole(words, FinishReason::Stop))
            }
            Outcome::Tool => Ok(self.whole(tool_frames(), FinishReason::ToolCalls)),
            Outcome::Failed(failure) => Err(failure.clone().into()),
            Outcome::Hang => return None,
            Outcome::Refused => {
                let blocked = StreamEvent::Blocked(in_stream(BlockCategory::Refusal));
                let events = vec![blocked, StreamEvent::Refusal(REFUSAL.to_owned())];
                Ok(self.whole([Frame { raw: None, events }], FinishReason::Refusal))
            }
            Outcome::Filtered(status) => Err(body(BlockCategory::Input, *status, "").into()),
            Outcome::Broken(end, text) => {
                let words = text.pieces().map(text_frame);
                Ok(match end {
                    Break::Cut => broken(words, None, End::Eof),
                    Break::Failed(failure) => broken(words, Some(failure.clone()), End::Eof),
                    Break::Stall => broken(words, None, End::Silence),
                    Break::Pings => broken(words, None, End::Pings),
                    Break::Blocked => {
                        let block = StreamEvent::Blocked(in_stream(BlockCategory::Output));
                        self.whole(words.chain([Frame::event(block)]), FinishReason::ContentFilter)
                    }
                })
            }
        })
    }

    /// Builds a stream that reaches its finish.
    fn whole(&self, content: impl IntoIterator<Item = Frame>, why: FinishReason) -> ScriptedStream {
        let finish = Frame { raw: None, events: vec![StreamEvent::Finish(why), StreamEvent::Usage(USAGE)] };
        let done = self.done.then(|| Frame::event(StreamEvent::Done));
        broken(content.into_iter().chain([finish]).chain(done), None, End::Eof)
    }
}

impl Text {
    fn pieces(&self) -> impl Iterator<Item = &str> {
        let pieces = self.source.split_inclusive(' ');
        pieces.cycle().take(self.words)
    }
}

/// Builds a stream from a role frame, these frames and an optional failure.
fn broken(content: impl Iterator<Item = Frame>, last: Option<Failure>, end: End) -> ScriptedStream {
    let frames = [Frame::default()].into_iter().chain(content).map(Ok);
    ScriptedStream { items: frames.chain(last.map(Err)).collect(), end }
}

fn text_frame(text: &str) -> Frame {
    Frame::event(StreamEvent::Text(text.to_owned()))
}

fn tool_call() -> ToolCall {
    ToolCall {
        id: "call_1".to_owned(),
        name: "lookup".to_owned(),
        arguments: r#"{"city":"Oslo"}"#.to_owned(),
    }
}

/// Returns the id and name of the call, then its arguments.
fn tool_frames() -> [Frame; 2] {
    let ToolCall { id, name, arguments } = tool_call();
    let head = ToolDelta { id: Some(id), name: Some(name), ..ToolDelta::default() };
    let body = ToolDelta { arguments, ..ToolDelta::default() };
    [head, body].map(|delta| Frame::event(StreamEvent::ToolCall(delta)))
}

/// Returns a block in a complete body. A filtered prompt is not billed, so it has no usage.
fn body(category: BlockCategory, status: u16, partial: &str) -> Block {
    let usage = (status == 200).then_some(USAGE);
    let form = BlockForm::Body { status, raw: None };
    Block { partial: partial.to_owned(), usage, form, ..in_stream(category) }
}

fn in_stream(category: BlockCategory) -> Block {
    let detail = match category {
        BlockCategory::Input => "the prompt was filtered",
        BlockCategory::Output => "the answer was filtered",
        BlockCategory::Refusal => REFUSAL,
    };
    Block::in_stream(category, detail)
}
