//! Anthropic's Messages dialect, as of November 2026, to and from the vocabulary of `fb-core`.
//!
//! | direction | whole | streamed |
//! |---|---|---|
//! | a caller's body to a request | [`request`], [`prompt`] | [`request`] |
//! | a typed chat to a provider's body | [`encode`] | [`encode`] |
//! | a provider's answer to the vocabulary | [`reply`] | [`EventDecoder`] |
//! | the vocabulary to a caller's answer | [`print_reply`], [`print_block`] | [`EventPrinter`] |
//! | an error to its caller | [`error_body`] | [`error_event`] |
//!
//! The bytes of answers are inspected, never rebuilt. The messages of a request are parsed only when they are needed in
//! another dialect. [`Limits`] describes the features that a model accepts.

mod encode;
mod event;
mod event_printer;
mod extras;
mod limits;
mod notes;
mod parse;
mod print;
mod reply;
mod request;
mod schema;
mod shape;

pub use self::{
    encode::encode,
    event::EventDecoder,
    event_printer::EventPrinter,
    limits::Limits,
    print::{error_body, error_event, print_block, print_reply},
    reply::reply,
    request::{prompt, request},
};
