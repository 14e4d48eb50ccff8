#![doc = include_str!("../README.md")]

mod script;

mod fault;
mod step;

mod provider;

pub use crate::{
    provider::ScriptedProvider,
    script::{Script, script},
};
