use fb_core::{Frame, StreamEvent};
use fb_wire::{WireError, openai::ChunkDecoder, sse::SseEvent};

use crate::exchange::SseDialect;

impl SseDialect for ChunkDecoder {
    fn frame(&mut self, event: &SseEvent) -> Result<Frame, WireError> {
        Self::frame(self, event)
    }

    fn finish(&mut self) -> Option<StreamEvent> {
        Self::finish(self)
    }
}
