//! Tests of the running server from outside: real sockets, real clients, a real local model.
//!
//! `cargo xtask test` builds the prerequisites and passes their paths in `FB_BIN`, `FB_PYTHON` and `FB_LLAMA_*`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test helper may stop the test and print what is missing"
)]

mod admin;
mod agents;
mod blocks;
mod brief;
mod cache;
mod command_line;
mod door;
mod eval;
mod field;
mod harness;
mod local_model;
mod messages;
mod ollama_client;
mod openai_sdk;
mod operate;
mod passthrough;
mod python;
mod record;
