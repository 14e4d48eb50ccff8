use std::collections::VecDeque;

use bytes::Bytes;
use fb_core::{Dialect, Frame, Raw, StreamEvent, ToolDelta};
use fb_wire::{WireError, ndjson::NdjsonDecoder};

use super::decode::Line;
use crate::exchange::{Decode, MAX_EVENT};

/// Reads a streamed answer, line by line.
#[derive(Debug)]
pub(super) struct LineDecoder {
    framing: NdjsonDecoder,
    lines: Vec<Bytes>,
    started: bool,
    calls: u32,
}

impl LineDecoder {
    pub(super) fn new() -> Self {
        Self { framing: NdjsonDecoder::new(MAX_EVENT), lines: Vec::new(), started: false, calls: 0 }
    }

    fn take(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        for bytes in std::mem::take(&mut self.lines) {
            let events = self.line(&Line::read(&bytes, "a line")?);
            out.push_back(Frame { raw: Some(Raw { dialect: Dialect::Ollama, bytes }), events });
        }
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> Vec<StreamEvent> {
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

impl Decode for LineDecoder {
    fn push(&mut self, bytes: &Bytes, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        let framed = self.framing.push(bytes, &mut self.lines);
        self.take(out)?;
        framed.map_err(|error| WireError::Malformed(error.to_string()))
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        self.framing.finish(&mut self.lines);
        self.take(out)
    }
}
