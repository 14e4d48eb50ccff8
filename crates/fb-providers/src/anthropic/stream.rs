use fb_core::{Frame, StreamEvent};
use fb_wire::{WireError, anthropic::EventDecoder, sse::SseEvent};

use crate::exchange::SseDialect;

impl SseDialect for EventDecoder {
    fn frame(&mut self, event: &SseEvent) -> Result<Frame, WireError> {
        Self::frame(self, event)
    }

    fn finish(&mut self) -> Option<StreamEvent> {
        Self::finish(self)
    }
}
