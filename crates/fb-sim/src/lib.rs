#![doc = include_str!("../README.md")]

mod admin;
mod answer;
mod anthropic;
mod body;
mod control;
mod counters;
mod dialect;
mod door;
mod fault;
mod http;
mod line;
mod ollama;
mod openai;
mod reply;
mod schema;
mod sim;
mod turn;

pub use control::Handle;
pub use counters::{Counters, Outcome, Recorded};
pub use dialect::{Dialect, ParseDialectError};
pub use fault::{BlockForm, Fault, ParseFaultError};
pub use reply::{SimReply, SimToolCall};
pub use sim::Sim;
