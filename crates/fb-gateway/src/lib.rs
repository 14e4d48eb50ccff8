#![doc = include_str!("../README.md")]

mod backtest;
mod bodies;
mod check;
mod cli;
mod config;
mod demo;
mod discover;
mod drill;
mod error;
mod eval;
mod explain;
mod lines;
mod log;
mod out;
mod patience;
mod plan;
mod relay;
mod requests;
mod routes;
mod savings;
mod serve;
mod server;
mod stage;
mod telemetry;
mod tenants;

pub use crate::{
    backtest::BacktestArgs,
    cli::{Cli, Command, run},
    config::{AdminConfig, Loaded, Located, ServerConfig, load, parse},
    drill::DrillArgs,
    eval::{EvalArgs, EvalConfig},
    plan::PlanArgs,
    savings::SavingsArgs,
    server::{Gateway, start, start_admin},
    telemetry::Scrape,
};
