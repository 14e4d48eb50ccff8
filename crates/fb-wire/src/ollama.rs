//! Ollama's native chat dialect, as of November 2026, to and from the vocabulary of `fb-core`.
//!
//! | direction | whole | streamed |
//! |---|---|---|
//! | a typed chat to a provider's body | [`encode`] | [`encode`] |
//! | a provider's answer to the vocabulary | [`reply`] | [`LineDecoder`] |
//!
//! No caller speaks this dialect to fb, so it has no parser of requests and no printer of answers.

mod encode;
mod line;
mod reply;
mod shape;

pub use self::{encode::encode, line::LineDecoder, reply::reply};
