use std::collections::VecDeque;

use bytes::Bytes;
use fb_core::Frame;
use fb_wire::{WireError, ndjson::NdjsonDecoder, ollama::LineDecoder};

use crate::exchange::{MAX_EVENT, StreamDecoder};

/// Decodes a streamed answer of newline-delimited JSON.
#[derive(Debug)]
pub(super) struct Lines {
    framing: NdjsonDecoder,
    pending: Vec<Bytes>,
    dialect: LineDecoder,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { framing: NdjsonDecoder::new(MAX_EVENT), pending: Vec::new(), dialect: LineDecoder::new() }
    }

    fn decode_lines(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        for line in self.pending.drain(..) {
            out.push_back(self.dialect.frame(line)?);
        }
        Ok(())
    }
}

impl StreamDecoder for Lines {
    fn push(&mut self, bytes: &Bytes, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        let framed = self.framing.push(bytes, &mut self.pending);
        self.decode_lines(out)?;
        framed.map_err(|error| WireError::Malformed(error.to_string()))
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        self.framing.finish(&mut self.pending);
        self.decode_lines(out)
    }
}
