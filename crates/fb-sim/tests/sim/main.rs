//! Tests of the simulator over real sockets.

#![cfg(test)]

mod anthropic;
mod client;
mod control;
mod faults;
mod ollama;
mod openai;
