use std::collections::VecDeque;

use bytes::Bytes;
use fb_core::{Frame, StreamEvent};
use fb_wire::{
    WireError,
    sse::{SseDecoder, SseEvent},
};

/// Maximum size of one event or line of a stream, in bytes.
pub(crate) const MAX_EVENT: usize = fb_wire::sse::MAX_EVENT;

/// Decodes the bytes of a streamed answer into frames, independently of how the bytes are split.
pub(crate) trait StreamDecoder: Send + Unpin + 'static {
    /// Decodes the next bytes and appends the completed frames to `out`. Frames appended before an error are valid.
    fn push(&mut self, bytes: &Bytes, out: &mut VecDeque<Frame>) -> Result<(), WireError>;

    /// Handles the clean end of the body.
    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError>;
}

/// A dialect with server-sent events as its streams.
pub(crate) trait SseDialect: Send + Unpin + 'static {
    /// Decodes one event.
    fn frame(&mut self, event: &SseEvent) -> Result<Frame, WireError>;

    /// Handles the clean end of the body; returns the end signal if only that was missing.
    fn finish(&mut self) -> Option<StreamEvent>;
}

/// Decodes server-sent events of a dialect.
#[derive(Debug)]
pub(crate) struct Sse<D> {
    framing: SseDecoder,
    events: Vec<SseEvent>,
    dialect: D,
    hide_usage: bool,
}

impl<D: SseDialect> Sse<D> {
    pub(crate) fn new(dialect: D, hide_usage: bool) -> Self {
        Self { framing: SseDecoder::new(MAX_EVENT), events: Vec::new(), dialect, hide_usage }
    }

    fn decode_events(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        for event in self.events.drain(..) {
            let mut frame = self.dialect.frame(&event)?;
            if self.hide_usage && has_only_usage(&frame) {
                frame.raw = None;
            }
            out.push_back(frame);
        }
        Ok(())
    }
}

fn has_only_usage(frame: &Frame) -> bool {
    !frame.events.is_empty() && frame.events.iter().all(|event| matches!(event, StreamEvent::Usage(_)))
}

impl<D: SseDialect> StreamDecoder for Sse<D> {
    fn push(&mut self, bytes: &Bytes, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        let framed = self.framing.push(bytes, &mut self.events);
        self.decode_events(out)?;
        framed.map_err(|error| WireError::Malformed(error.to_string()))
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        self.framing.finish(&mut self.events);
        self.decode_events(out)?;
        out.extend(self.dialect.finish().map(Frame::event));
        Ok(())
    }
}
