//! Decoding and printing of server-sent events.
//!
//! Lines end with LF, CR or CRLF only (not with U+2028); an event ends with an empty line. A line that begins with a
//! colon is a comment. The decoded events do not depend on how the bytes are split.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use thiserror::Error;

/// Default maximum size of an event: 8 MiB.
pub const MAX_EVENT: usize = 8 << 20;

/// One block of a stream, including the empty line that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The event name; empty if there is none.
    pub event: String,
    /// The data lines, joined with LF; empty for a comment or a stray empty line, which serve as keep-alives.
    pub data: Bytes,
    /// The original bytes of the block. Concatenated, the blocks are the stream, byte for byte.
    pub raw: Bytes,
}

/// An event or line that exceeds the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event or line of the stream is larger than {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// Splits a stream of bytes into events. Only events that span several chunks are copied, once each, so that the time is
/// linear in the number of bytes for chunks of any size.
#[derive(Debug)]
pub struct SseDecoder {
    /// The beginning of an incomplete event.
    pending: BytesMut,
    /// The number of bytes of the current line in `pending`.
    line: usize,
    /// Set if `pending` ends with a CR that an LF may follow.
    cr: Option<LineEnd>,
    /// True before the first event, the only position of a byte order mark.
    at_start: bool,
    limit: usize,
}

/// The meaning of a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    /// The line was not empty.
    Line,
    /// The line was empty, so the event is complete.
    Block,
}

impl SseDecoder {
    /// Creates a decoder for events of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { pending: BytesMut::new(), line: 0, cr: None, at_start: true, limit }
    }

    /// Decodes the next chunk and appends the completed events to `out`.
    ///
    /// # Errors
    /// When an event exceeds the limit. The decoder cannot be used afterwards.
    pub fn push(&mut self, bytes: &Bytes, out: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        let mut rest = bytes.clone();
        while let Some(end) = self.block_end(&rest) {
            let mut raw = rest.split_to(end);
            self.check(raw.len())?;
            if !self.pending.is_empty() {
                self.pending.extend_from_slice(&raw);
                raw = self.pending.split().freeze();
            }
            out.push(self.read(raw));
        }
        self.check(rest.len())?;
        self.pending.extend_from_slice(&rest);
        Ok(())
    }

    /// Handles the end of the stream: appends the last event even if its empty line is missing, as with some servers.
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) {
        if !self.pending.is_empty() {
            let raw = self.pending.split().freeze();
            (self.line, self.cr) = (0, None);
            let event = self.read(raw);
            out.push(event);
        }
    }

    /// Checks that the event stays within the limit when it grows by `more` bytes.
    fn check(&self, more: usize) -> Result<(), TooLarge> {
        if self.pending.len() + more > self.limit { Err(TooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// Returns the end of the current event within this chunk. It is 0 when the chunk only shows that no LF follows a
    /// CR.
    fn block_end(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        if let Some(ended) = self.cr {
            at = usize::from(*chunk.first()? == b'\n');
            self.cr = None;
            if ended == LineEnd::Block {
                return Some(at);
            }
        }
        while let Some(found) = memchr2(b'\n', b'\r', &chunk[at..]) {
            let ended = if self.line + found == 0 { LineEnd::Block } else { LineEnd::Line };
            self.line = 0;
            at += found + 1;
            if chunk[at - 1] == b'\r' {
                match chunk.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => {
                        self.cr = Some(ended);
                        return None;
                    }
                }
            }
            if ended == LineEnd::Block {
                return Some(at);
            }
        }
        self.line += chunk.len() - at;
        None
    }

    fn read(&mut self, raw: Bytes) -> SseEvent {
        let start = if self.at_start && raw.starts_with(BOM) { BOM.len() } else { 0 };
        self.at_start = false;
        let mut event = String::new();
        let mut data = Bytes::new();
        let mut joined: Option<BytesMut> = None;
        let mut has_data = false;
        for (from, to) in lines(&raw, start) {
            let line = &raw[from..to];
            let colon = memchr::memchr(b':', line);
            let (name, mut value) = match colon {
                Some(colon) => (&line[..colon], from + colon + 1),
                None => (line, to),
            };
            if colon.is_some() && raw.get(value) == Some(&b' ') && value < to {
                value += 1;
            }
            match name {
                b"data" if !has_data => {
                    has_data = true;
                    data = raw.slice(value..to);
                }
                b"data" => {
                    let joined = joined.get_or_insert_with(|| BytesMut::from(&data[..]));
                    joined.extend_from_slice(b"\n");
                    joined.extend_from_slice(&raw[value..to]);
                }
                b"event" => event = String::from_utf8_lossy(&raw[value..to]).into_owned(),
                _ => {}
            }
        }
        SseEvent { event, data: joined.map_or(data, BytesMut::freeze), raw }
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Iterates over the ranges of the lines of a block from `start` on, without their ends.
fn lines(bytes: &[u8], start: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut at = start;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let from = at;
        let Some(found) = memchr2(b'\n', b'\r', &bytes[from..]) else {
            at = bytes.len();
            return Some((from, at));
        };
        let to = from + found;
        at = to + if bytes[to..].starts_with(b"\r\n") { 2 } else { 1 };
        Some((from, to))
    })
}

/// Prints one event; see [`put_event`].
pub fn event(name: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + name.map_or(0, str::len) + 20);
    put_event(name, data, &mut out);
    out.freeze()
}

/// Appends one event. Every line of `data` becomes a data line of its own, so that content cannot end the event early;
/// line ends are decoded as LF. `name` must not contain line ends.
pub fn put_event(name: Option<&str>, data: &[u8], out: &mut BytesMut) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\n");
    }
    put_lines(b"data: ", data, out);
}

/// Prints a comment, which clients ignore; used as a keep-alive.
pub fn comment(text: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 4);
    put_lines(b": ", text.as_bytes(), &mut out);
    out.freeze()
}

/// Appends each line with the prefix, and the empty line that ends the block.
fn put_lines(prefix: &[u8], text: &[u8], out: &mut BytesMut) {
    let mut rest = text;
    while let Some(end) = memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(prefix);
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(b"\n");
        rest = &rest[end + if rest[end..].starts_with(b"\r\n") { 2 } else { 1 }..];
    }
    out.extend_from_slice(prefix);
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
