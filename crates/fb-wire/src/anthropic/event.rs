use std::borrow::Cow;

use fb_core::{
    Block as PolicyBlock, BlockCategory, Dialect, FinishReason, Frame, Raw, StreamEvent, ToolDelta,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::shape::{self, Block, Content, Message, Tokens};
use crate::{lenient, outcome::WireError, sse::SseEvent};

/// Reads the events of one streamed answer.
///
/// Pings and unknown events become frames without decoded events. The answer is complete with [`StreamEvent::Done`]; a
/// stream that ends without it was cut.
#[derive(Debug, Default)]
pub struct EventDecoder {
    tokens: Tokens,
    /// The open content blocks.
    open: Vec<OpenBlock>,
    /// The number of tool calls so far.
    tools: u32,
}

#[derive(Debug)]
struct OpenBlock {
    /// The index of the block in the content.
    index: u64,
    call: Option<Call>,
}

/// A call of one of the caller's tools.
#[derive(Debug)]
struct Call {
    /// The index among the tool calls of the answer.
    index: u32,
    /// The arguments at the start of the block, valid if no deltas follow.
    input: Option<String>,
}

impl Call {
    /// Returns the arguments if no deltas followed.
    fn undelivered_arguments(self) -> Option<StreamEvent> {
        let arguments = self.input?;
        Some(StreamEvent::ToolCall(ToolDelta { index: self.index, arguments, ..ToolDelta::default() }))
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_details: Option<&'a RawValue>,
}

impl EventDecoder {
    /// Creates a decoder for one answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next event.
    ///
    /// # Errors
    /// When the provider reports an error, or the event is not of this dialect.
    pub fn frame(&mut self, event: &SseEvent) -> Result<Frame, WireError> {
        let raw = Some(Raw { dialect: Dialect::Anthropic, bytes: event.raw.clone() });
        Ok(Frame { raw, events: self.events(&event.data)? })
    }

    /// Handles the end of the body. Returns nothing, since only the provider's end signal completes an answer.
    #[expect(
        clippy::unused_self,
        clippy::needless_pass_by_ref_mut,
        reason = "the same interface as for OpenAI's chunks"
    )]
    pub fn finish(&mut self) -> Option<StreamEvent> {
        None
    }

    fn events(&mut self, data: &[u8]) -> Result<Vec<StreamEvent>, WireError> {
        // Some compatible servers end with OpenAI's marker, and some send pings without data.
        if data.is_empty() || data.starts_with(b"[DONE]") {
            return Ok(Vec::new());
        }
        let event: Event<'_> = shape::read(data, "an event")?;
        match &*shape::non_empty(event.kind).unwrap_or_default() {
            "message_start" => self.start(event.message),
            "content_block_start" => self.open(&event),
            "content_block_delta" => self.delta(&event),
            "content_block_stop" => Ok(self.close(event.index).into_iter().collect()),
            "message_delta" => self.end(&event),
            "message_stop" => Ok(vec![StreamEvent::Done]),
            "error" => Err(lenient::reported_error(data)),
            _ if event.error.is_some() => Err(lenient::reported_error(data)),
            _ => Ok(Vec::new()),
        }
    }

    fn start(&mut self, message: Option<&RawValue>) -> Result<Vec<StreamEvent>, WireError> {
        let message: Message<'_> = parse(message, "message_start")?;
        self.tokens = Tokens::read(message.usage);
        let started = StreamEvent::Started { id: message.id(), model: message.model() };
        Ok([started].into_iter().chain(self.usage()).collect())
    }

    fn usage(&self) -> Option<StreamEvent> {
        self.tokens.usage().map(StreamEvent::Usage)
    }

    fn open(&mut self, event: &Event<'_>) -> Result<Vec<StreamEvent>, WireError> {
        let content: Content<'_> = parse(event.content_block, "content_block_start")?;
        let mut events = Vec::new();
        let mut call = None;
        match content.block()? {
            Block::Text(text) if !text.is_empty() => events.push(StreamEvent::Text(text.into_owned())),
            Block::Thinking(text) if !text.is_empty() => {
                events.push(StreamEvent::Thinking(text.into_owned()));
            }
            Block::Text(_) | Block::Thinking(_) | Block::Other => {}
            Block::Tool(tool) => {
                events.push(StreamEvent::ToolCall(ToolDelta {
                    index: self.tools,
                    id: Some(tool.id.into_owned()),
                    name: Some(tool.name.into_owned()),
                    arguments: String::new(),
                }));
                call = Some(Call { index: self.tools, input: Some(tool.input.to_owned()) });
                self.tools = self.tools.saturating_add(1);
            }
        }
        let index = lenient::lenient(event.index).unwrap_or(0);
        self.open.retain(|open| open.index != index);
        self.open.push(OpenBlock { index, call });
        Ok(events)
    }

    fn delta(&mut self, event: &Event<'_>) -> Result<Vec<StreamEvent>, WireError> {
        let delta: Delta<'_> = parse(event.delta, "content_block_delta")?;
        let event = match &*shape::non_empty(delta.kind).unwrap_or_default() {
            "text_delta" => StreamEvent::Text(text(delta.text)?),
            "thinking_delta" => StreamEvent::Thinking(text(delta.thinking)?),
            "input_json_delta" => {
                let arguments = text(delta.partial_json)?;
                // The input of server-side tools has the same form and is not for the caller.
                match self.call(event.index) {
                    Some(call) if !arguments.is_empty() => {
                        call.input = None;
                        let index = call.index;
                        StreamEvent::ToolCall(ToolDelta { index, arguments, ..ToolDelta::default() })
                    }
                    _ => return Ok(Vec::new()),
                }
            }
            _ => return Ok(Vec::new()),
        };
        Ok(vec![event])
    }

    /// Returns the open tool call at this index of the content, or without an index the one opened last.
    fn call(&mut self, index: Option<&RawValue>) -> Option<&mut Call> {
        let index: Option<u64> = lenient::lenient(index);
        let open = self.open.iter_mut().rfind(|open| index.is_none_or(|index| open.index == index))?;
        open.call.as_mut()
    }

    fn close(&mut self, index: Option<&RawValue>) -> Option<StreamEvent> {
        let index: Option<u64> = lenient::lenient(index);
        let position = self.open.iter().rposition(|open| index.is_none_or(|index| open.index == index))?;
        self.open.remove(position).call?.undelivered_arguments()
    }

    fn end(&mut self, event: &Event<'_>) -> Result<Vec<StreamEvent>, WireError> {
        let delta: Delta<'_> = parse(event.delta, "message_delta")?;
        self.tokens.update(Tokens::read(event.usage));
        let mut events: Vec<StreamEvent> = self.usage().into_iter().collect();
        let Some(finish) = shape::finish(delta.stop_reason, self.tools > 0) else { return Ok(events) };
        // Some compatible servers do not close their blocks.
        events
            .extend(self.open.drain(..).filter_map(|open| open.call).filter_map(Call::undelivered_arguments));
        if finish == FinishReason::Refusal {
            let mut block =
                PolicyBlock::in_stream(BlockCategory::Refusal, shape::refusal(delta.stop_details));
            block.usage = self.tokens.usage();
            events.push(StreamEvent::Blocked(block));
        }
        events.push(StreamEvent::Finish(finish));
        Ok(events)
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, what: &str) -> Result<T, WireError> {
    let text = raw.map_or("{}", RawValue::get);
    shape::read(text.as_bytes(), what)
}

fn text(raw: Option<&RawValue>) -> Result<String, WireError> {
    shape::text(raw, "a delta").map(Cow::into_owned)
}

#[cfg(test)]
mod tests;
