#![doc = include_str!("../README.md")]

pub mod anthropic;
pub mod errors;
pub mod headers;
pub mod ndjson;
pub mod ollama;
pub mod openai;
mod outcome;
pub mod raw;
pub mod sse;
mod value;

pub use crate::outcome::{Decoded, Encoded, WireError};
