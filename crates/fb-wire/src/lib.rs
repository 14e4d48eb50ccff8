#![doc = include_str!("../README.md")]

pub mod anthropic;
pub mod errors;
pub mod headers;
mod lenient;
pub mod ndjson;
pub mod ollama;
pub mod openai;
mod outcome;
mod print;
pub mod raw;
pub mod sse;
mod top_level;
mod value;

pub use crate::outcome::{Decoded, Encoded, WireError};
