//! OpenAI's Chat Completions dialect, as of November 2026, to and from the vocabulary of `fb-core`.
//!
//! | direction | whole | streamed |
//! |---|---|---|
//! | a caller's body to a request | [`request`], [`request_with_defaults`] | [`request`] |
//! | a typed chat to a provider's body | [`encode`] | [`encode`] |
//! | a provider's answer to the vocabulary | [`reply`] | [`ChunkDecoder`] |
//! | the vocabulary to a caller's answer | [`print_reply`], [`print_block`] | [`ChunkPrinter`] |
//! | a provider's answer to the same dialect | [`complete`] | bytes as they came |
//! | an error to its caller | [`error_body`] | [`error_event`] |
//!
//! The bytes of answers are inspected, never rebuilt. The messages of a request are parsed only when they are needed in
//! another dialect.

mod chunk;
mod chunk_printer;
mod complete;
mod encode;
mod parse;
mod print;
mod reply;
mod request;
mod shape;

pub use self::{
    chunk::ChunkDecoder,
    chunk_printer::ChunkPrinter,
    complete::complete,
    encode::encode,
    print::{Stamp, error_body, error_event, print_block, print_reply},
    reply::reply,
    request::{request, request_with_defaults, take_field},
};
