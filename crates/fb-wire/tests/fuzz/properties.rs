//! What holds for any bytes. The fuzz targets and the property tests on stable share these functions.

use bytes::Bytes;
use fb_wire::{
    anthropic, errors,
    ndjson::NdjsonDecoder,
    ollama, openai, raw,
    sse::{SseDecoder, SseEvent, TooLarge},
};

/// The limit of the decoders, small enough to be reached.
const LIMIT: usize = 256;
/// The longest text that an error body may yield, in characters.
const MAX_DETAIL: usize = 2_000;

/// Lines of any bytes make no panic, and neither does an answer in any dialect.
pub(crate) fn answer(bytes: &[u8]) {
    let (mut decoder, mut lines) = (NdjsonDecoder::new(LIMIT), Vec::new());
    let bytes = Bytes::copy_from_slice(bytes);
    if decoder.push(&bytes, &mut lines).is_ok() {
        decoder.finish(&mut lines);
    }
    let mut reader = ollama::LineDecoder::new();
    for line in lines {
        let _frame = reader.frame(line);
    }
    let _replies = (openai::reply(&bytes), anthropic::reply(&bytes), ollama::reply(&bytes));
}

/// A request that is accepted keeps its bytes, and one that is refused has a message.
pub(crate) fn request(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    match openai::request(body.clone()) {
        Ok(request) => {
            let kept = request.raw().map(|raw| raw::splice(raw, &[]));
            assert_eq!(kept, Some(body), "without an edit no byte changes");
            if let Err(invalid) = request.chat() {
                assert!(!invalid.message.is_empty());
            }
        }
        Err(invalid) => assert!(!invalid.message.is_empty() && invalid.message.len() < 2_000, "{invalid:?}"),
    }
}

/// An error body of any form yields a bounded message.
pub(crate) fn error(bytes: &[u8]) {
    let read = errors::read(bytes);
    assert!(read.message.chars().count() <= MAX_DETAIL, "{} characters", read.message.chars().count());
    assert!(read.quota_ids.len() <= 16);
}

/// A stream decodes alike however it is split, its blocks are its bytes, and no event makes a dialect panic.
pub(crate) fn sse(bytes: &[u8]) {
    let whole = decode(&[bytes]);
    let (left, right) = bytes.split_at(bytes.first().map_or(0, |at| usize::from(*at).min(bytes.len())));
    let parts = decode(&[left, right]);
    assert_eq!(whole.is_ok(), parts.is_ok(), "only the limit ends a stream, wherever it is split");
    let Ok(events) = whole else { return };
    assert_eq!(Ok(&events), parts.as_ref());
    let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
    assert_eq!(raw, bytes, "the blocks are the stream");
    let (mut chunks, mut messages) = (openai::ChunkDecoder::new(), anthropic::EventDecoder::new());
    for event in &events {
        let _frame = chunks.frame(event);
        let _frame = messages.frame(event);
    }
}

fn decode(parts: &[&[u8]]) -> Result<Vec<SseEvent>, TooLarge> {
    let (mut decoder, mut events) = (SseDecoder::new(LIMIT), Vec::new());
    for part in parts {
        decoder.push(&Bytes::copy_from_slice(part), &mut events)?;
    }
    decoder.finish(&mut events);
    Ok(events)
}
