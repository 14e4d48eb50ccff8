//! Anthropic's Messages dialect, as of November 2026, to and from the vocabulary of `fb-core`.
//!
//! | direction | whole | streamed |
//! |---|---|---|
//! | a caller's body to a request | [`request`] | [`request`] |
//! | a typed chat to a provider's body | [`encode`] | [`encode`] |
//! | a provider's answer to the vocabulary | [`reply`] | [`EventDecoder`] |
//! | the vocabulary to a caller's answer | [`print_reply`], [`print_block`] | [`EventPrinter`] |
//! | an error to its caller | [`error_body`] | [`error_event`] |
//!
//! Bytes of answers are inspected, never rebuilt; the messages of a request are parsed only when somebody needs
//! them in another dialect. What one model accepts of the dialect is its [`Limits`].

mod carry;
mod encode;
mod event;
mod event_printer;
mod limits;
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
    request::request,
};
