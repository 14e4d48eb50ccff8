#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod anthropic;
mod body;
mod connection;
mod control;
mod counters;
mod dialect;
mod fault;
mod fault_syntax;
mod http;
mod inbound;
mod listener;
mod ollama;
mod openai;
mod playback;
mod reply;
mod schema;
mod sim;
mod turn;

pub use control::Handle;
pub use counters::{Counters, RecordedRequest, RequestOutcome};
pub use dialect::{Dialect, ParseDialectError};
pub use fault::{BlockForm, Fault};
pub use fault_syntax::ParseFaultError;
pub use reply::{SimReply, SimToolCall};
pub use sim::Sim;
