#![doc = include_str!("../README.md")]

mod script;

mod fault;
mod sign;
mod step;

mod log;
mod provider;

pub use crate::{
    log::{CallOutcome, CallRecord},
    provider::ScriptedProvider,
    script::{Script, script},
};
