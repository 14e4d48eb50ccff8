//! Server-sent events, as providers really send them.
//!
//! Lines end with LF, CR or CRLF and with nothing else (not with U+2028); an event ends with an empty line. A line
//! that begins with a colon is a comment. The decoder gives the same events for every split of the bytes.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use thiserror::Error;

/// Largest event taken when the caller has no reason for another limit: 8 MiB.
pub const MAX_EVENT: usize = 8 << 20;

/// One block of a stream, up to and with its empty line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// Its name; empty when it has none.
    pub event: String,
    /// Its data lines, joined with LF; empty for a comment or a stray empty line, which are signs of life.
    pub data: Bytes,
    /// The block as it came. All blocks together are the stream, byte for byte.
    pub raw: Bytes,
}

/// An event above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event or line of the stream is larger than {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// Cuts a stream of bytes into events. Copies only events that lie in more than one piece, and those once: the time
/// is linear in the bytes, however small the pieces are.
#[derive(Debug)]
pub struct SseDecoder {
    /// The beginning of an event whose end has not come.
    pending: BytesMut,
    /// How many bytes of the current line are in `pending`.
    line: usize,
    /// Whether `pending` ends with a CR to which an LF may still belong.
    cr: Option<LineEnd>,
    /// Whether nothing has come yet: only there a byte order mark may stand.
    fresh: bool,
    limit: usize,
}

/// What a line end means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    /// The line held something.
    Line,
    /// The line was empty, so its end is the event's.
    Block,
}

impl SseDecoder {
    /// A decoder that takes events of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { pending: BytesMut::new(), line: 0, cr: None, fresh: true, limit }
    }

    /// Takes the next piece and appends every event it completes.
    ///
    /// # Errors
    /// When an event is larger than the limit; the stream cannot be read on.
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

    /// At the end of the stream: gives the last event even without its empty line, which some servers leave out.
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) {
        if !self.pending.is_empty() {
            let raw = self.pending.split().freeze();
            (self.line, self.cr) = (0, None);
            let event = self.read(raw);
            out.push(event);
        }
    }

    /// Whether the event may grow by this much.
    fn check(&self, more: usize) -> Result<(), TooLarge> {
        if self.pending.len() + more > self.limit { Err(TooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// Where in this piece the current event ends, if it does; at 0 when the piece only shows that a CR came alone.
    fn block_end(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        if let Some(ended) = self.cr {
            at = usize::from(*piece.first()? == b'\n');
            self.cr = None;
            if ended == LineEnd::Block {
                return Some(at);
            }
        }
        while let Some(found) = memchr2(b'\n', b'\r', &piece[at..]) {
            let ended = if self.line + found == 0 { LineEnd::Block } else { LineEnd::Line };
            self.line = 0;
            at += found + 1;
            if piece[at - 1] == b'\r' {
                match piece.get(at) {
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
        self.line += piece.len() - at;
        None
    }

    fn read(&mut self, raw: Bytes) -> SseEvent {
        let start = if self.fresh && raw.starts_with(BOM) { BOM.len() } else { 0 };
        self.fresh = false;
        let mut event = String::new();
        let mut data = Bytes::new();
        let mut joined: Option<BytesMut> = None;
        let mut seen = false;
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
                b"data" if !seen => {
                    seen = true;
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

/// The lines of a block from `start` on, without their ends.
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

/// Appends one event. Every line of `data` gets a data line of its own, so that no content can end the event early;
/// a reader finds each line end as an LF. `name` must hold no line ends.
pub fn put_event(name: Option<&str>, data: &[u8], out: &mut BytesMut) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\n");
    }
    put_lines(b"data: ", data, out);
}

/// Prints a comment, which readers skip: a sign of life.
pub fn comment(text: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 4);
    put_lines(b": ", text.as_bytes(), &mut out);
    out.freeze()
}

/// Appends each line behind the prefix, and the empty line that ends the block.
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
