use bytes::Bytes;
use fb_core::{Dialect, Frame, Raw, StreamEvent, ToolDelta};

use super::shape::Line;
use crate::outcome::WireError;

/// Reads the lines of one streamed answer.
///
/// The answer is complete with [`StreamEvent::Done`]; a stream that ends without it was cut.
#[derive(Debug, Clone, Default)]
pub struct LineDecoder {
    started: bool,
    /// The number of tool calls so far.
    calls: u32,
}

impl LineDecoder {
    /// Creates a decoder for one answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next line.
    ///
    /// # Errors
    /// When the provider reports an error inside the stream, or the line is not of this dialect.
    pub fn frame(&mut self, bytes: Bytes) -> Result<Frame, WireError> {
        let events = self.events(&Line::read(&bytes, "a line")?);
        Ok(Frame { raw: Some(Raw { dialect: Dialect::Ollama, bytes }), events })
    }

    fn events(&mut self, line: &Line<'_>) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        if !self.started {
            self.started = true;
            events.push(StreamEvent::Started { id: None, model: line.model() });
        }
        if !line.thinking().is_empty() {
            events.push(StreamEvent::Thinking(line.thinking().to_owned()));
        }
        if !line.text().is_empty() {
            events.push(StreamEvent::Text(line.text().to_owned()));
        }
        for call in line.tool_calls(usize::try_from(self.calls).unwrap_or_default()) {
            events.push(StreamEvent::ToolCall(ToolDelta {
                index: self.calls,
                id: Some(call.id),
                name: Some(call.name),
                arguments: call.arguments,
            }));
            self.calls += 1;
        }
        if line.done {
            events.push(StreamEvent::Finish(line.finish(self.calls > 0)));
            events.extend(line.usage().map(StreamEvent::Usage));
            events.push(StreamEvent::Done);
        }
        events
    }
}
