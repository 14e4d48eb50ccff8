#![doc = include_str!("../README.md")]

mod cli;
mod commands;
mod config;
mod dry_run;
mod evaluations;
mod input;
mod jsonl;
mod requests;
mod runtime;
mod stdout;

pub use crate::{
    cli::{Cli, Command, run},
    commands::{
        backtest::BacktestArgs, drill::DrillArgs, eval::EvalArgs, plan::PlanArgs, savings::SavingsArgs,
    },
    config::{ConfigError, LoadedConfig, eval::EvalConfig, load, parse},
};
