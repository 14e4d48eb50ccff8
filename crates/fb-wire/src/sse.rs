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

/// Cuts a stream of bytes into events. Copies only events that lie in more than one piece.
#[derive(Debug)]
pub struct SseDecoder {
    /// The beginning of an event whose end has not come.
    pending: BytesMut,
    /// Up to where `pending` was searched for line ends.
    searched: usize,
    /// Where the line begins that `searched` is in.
    line: usize,
    /// Whether nothing has come yet: only there a byte order mark may stand.
    fresh: bool,
    limit: usize,
}

impl SseDecoder {
    /// A decoder that takes events of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { pending: BytesMut::new(), searched: 0, line: 0, fresh: true, limit }
    }

    /// Takes the next piece and appends every event it completes.
    ///
    /// # Errors
    /// When an event is larger than the limit; the stream cannot be read on.
    pub fn push(&mut self, bytes: &Bytes, out: &mut Vec<SseEvent>) -> Result<(), TooLarge> {
        let mut all = if self.pending.is_empty() {
            bytes.clone()
        } else {
            self.pending.extend_from_slice(bytes);
            self.pending.split().freeze()
        };
        while let Some(end) = self.block_end(&all) {
            let raw = all.split_to(end);
            (self.searched, self.line) = (0, 0);
            self.check(raw.len())?;
            out.push(self.read(raw));
        }
        self.check(all.len())?;
        self.pending = all.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        Ok(())
    }

    /// At the end of the stream: gives the last event even without its empty line, which some servers leave out.
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) {
        if !self.pending.is_empty() {
            let raw = self.pending.split().freeze();
            (self.searched, self.line) = (0, 0);
            // A CR that waited for an LF ends its line now, and with it perhaps a whole block before the last.
            let event = self.read(raw);
            out.push(event);
        }
    }

    const fn check(&self, len: usize) -> Result<(), TooLarge> {
        if len > self.limit { Err(TooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// Where the first block ends, if all of it is there. Remembers how far it searched.
    fn block_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let bom = if self.fresh && bytes.starts_with(BOM) { BOM.len() } else { 0 };
        while let Some(found) = memchr2(b'\n', b'\r', &bytes[self.searched..]) {
            let at = self.searched + found;
            let next = if bytes[at] == b'\n' {
                at + 1
            } else {
                match bytes.get(at + 1) {
                    Some(b'\n') => at + 2,
                    Some(_) => at + 1,
                    // Perhaps an LF comes with the next piece.
                    None => {
                        self.searched = at;
                        return None;
                    }
                }
            };
            let empty = at == self.line || (self.line == 0 && at == bom);
            (self.searched, self.line) = (next, next);
            if empty {
                return Some(next);
            }
        }
        self.searched = bytes.len();
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

/// Prints one event. `data` must hold no line ends, as JSON never needs to.
pub fn event(name: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + name.map_or(0, str::len) + 20);
    put_event(name, data, &mut out);
    out.freeze()
}

/// Appends one event. `data` must hold no line ends, as JSON never needs to.
pub fn put_event(name: Option<&str>, data: &[u8], out: &mut BytesMut) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
