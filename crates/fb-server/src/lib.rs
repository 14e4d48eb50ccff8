#![doc = include_str!("../README.md")]

mod admin;
mod auth;
mod body;
mod config;
mod connection;
mod dialects;
mod door;
mod doors;
mod error;
mod heartbeat;
mod limit_headers;
mod listen;
mod log;
mod origin;
mod preferred_provider;
mod rejected;
mod report_headers;
mod request_body;
mod request_headers;
mod routing;
mod service;
mod shutdown;
mod state;
mod stream_body;
mod telemetry;
mod write_timeout;

pub use crate::{
    admin::AdminService,
    body::Body,
    config::{AdminConfig, DirectTargets, ServerConfig},
    listen::{Server, start, start_admin},
    log::{Log, LogFormat},
    routing::ResponseFuture,
    service::Service,
    shutdown::Shutdown,
    telemetry::{Scrape, observers},
};
