//! Newline-delimited JSON: one value per line.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::sse::TooLarge;

/// Splits a stream of bytes into lines. Only lines that span several chunks are copied.
#[derive(Debug)]
pub struct NdjsonDecoder {
    pending: BytesMut,
    limit: usize,
}

impl NdjsonDecoder {
    /// Creates a decoder for lines of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { pending: BytesMut::new(), limit }
    }

    /// Decodes the next chunk and appends the completed lines to `out`, without line ends. Blank lines are skipped.
    ///
    /// # Errors
    /// When a line exceeds the limit. The decoder cannot be used afterwards.
    pub fn push(&mut self, bytes: &Bytes, out: &mut Vec<Bytes>) -> Result<(), TooLarge> {
        let mut rest = bytes.clone();
        while let Some(end) = memchr(b'\n', &rest) {
            let mut line = rest.split_to(end + 1);
            line.truncate(end);
            self.check(line.len())?;
            if !self.pending.is_empty() {
                self.pending.extend_from_slice(&line);
                line = self.pending.split().freeze();
            }
            push_line(line, out);
        }
        self.check(rest.len())?;
        self.pending.extend_from_slice(&rest);
        Ok(())
    }

    /// Handles the end of the stream: appends the last line even if its line end is missing.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) {
        push_line(self.pending.split().freeze(), out);
    }

    /// Checks that the line stays within the limit when it grows by `more` bytes.
    fn check(&self, more: usize) -> Result<(), TooLarge> {
        if self.pending.len() + more > self.limit { Err(TooLarge { limit: self.limit }) } else { Ok(()) }
    }
}

fn push_line(mut line: Bytes, out: &mut Vec<Bytes>) {
    if line.ends_with(b"\r") {
        line.truncate(line.len() - 1);
    }
    if !line.trim_ascii().is_empty() {
        out.push(line);
    }
}

/// Prints one line. Line ends, which JSON allows only between tokens, are replaced by spaces.
pub fn line(json: &[u8]) -> Bytes {
    let on_one_line = json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte });
    on_one_line.chain([b'\n']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(input: &[u8], cuts: &[usize]) -> Vec<Bytes> {
        let mut decoder = NdjsonDecoder::new(1 << 20);
        let mut out = Vec::new();
        let mut rest = Bytes::copy_from_slice(input);
        for cut in cuts {
            let chunk = rest.split_to((*cut).min(rest.len()));
            decoder.push(&chunk, &mut out).unwrap();
        }
        decoder.push(&rest, &mut out).unwrap();
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn line_ends_and_blank_lines_are_removed() {
        assert_eq!(decode(b"{\"a\":1}\n\r\n \n{\"b\":2}", &[]), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(decode(b"{\"a\":1}\r\n{\"b\":2}\r", &[]), ["{\"a\":1}", "{\"b\":2}"]);
        let mut decoder = NdjsonDecoder::new(8);
        let long = Bytes::from_static(b"0123456789");
        assert_eq!(decoder.push(&long, &mut Vec::new()), Err(TooLarge { limit: 8 }));
    }

    #[test]
    fn printed_value_is_one_line() {
        assert_eq!(decode(&line(b"{\n\"a\":1\r\n}"), &[]), ["{ \"a\":1  }"]);
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same_lines(
            input in "[a\n\r ]{0,80}",
            cuts in prop::collection::vec(0usize..5, 0..40),
        ) {
            prop_assert_eq!(decode(input.as_bytes(), &[]), decode(input.as_bytes(), &cuts));
        }
    }
}
