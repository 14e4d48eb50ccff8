#![doc = include_str!("../README.md")]

mod admin;
mod auth;
mod config;
mod doors;
mod error;
mod listen;
mod log;
mod report_headers;
mod request_body;
mod request_headers;
mod service;
mod state;
mod stream_body;
mod telemetry;
mod write_timeout;

pub use crate::{
    config::{AdminConfig, ServerConfig},
    listen::{Gateway, start, start_admin},
    log::Log,
    telemetry::{Scrape, observers},
};
