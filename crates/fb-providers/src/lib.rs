#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(all(feature = "anthropic", feature = "azure", feature = "ollama", feature = "openai")),
    allow(dead_code, unused_imports, unused_macros, reason = "what one adapter needs serves it alone")
)]

#[cfg(feature = "anthropic")]
mod anthropic;
mod api_key;
#[cfg(feature = "azure")]
mod azure;
mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod connection;
mod discover;
mod edits;
mod exchange;
mod http;
mod into_provider;
mod models;
mod nearest;
mod nested;
#[cfg(feature = "ollama")]
mod ollama;
#[cfg(feature = "openai")]
mod openai;
#[cfg(feature = "openai")]
mod own;
mod preset;
mod secret;
mod setters;
mod translate;

#[cfg(test)]
#[cfg(all(feature = "anthropic", feature = "azure", feature = "ollama", feature = "openai"))]
mod tests;

pub use fb_core::InvalidConfig;

/// Splitting of streams into events and lines, for providers of other programs.
pub mod frames {
    pub use fb_wire::{
        ndjson::NdjsonDecoder,
        sse::{MAX_EVENT, SseDecoder, SseEvent, TooLarge},
    };
}
#[cfg(feature = "http-client")]
pub use crate::http::plain_http_client;
#[cfg(feature = "http-client")]
pub use reqwest;

#[cfg(feature = "anthropic")]
pub use crate::anthropic::{Anthropic, AnthropicConfig};
#[cfg(feature = "azure")]
pub use crate::azure::{Azure, AzureConfig};
#[cfg(feature = "ollama")]
pub use crate::ollama::{Ollama, OllamaConfig};
pub use crate::{
    api_key::ApiKey,
    config::ProviderConfig,
    connection::{Connection, ExtraHeaders},
    discover::{DiscoveredProvider, discover, environment_variables},
    into_provider::IntoProvider,
    models::is_thinking_model,
    nearest::nearest,
    preset::Auth,
    secret::Secret,
};
#[cfg(feature = "openai")]
pub use crate::{
    openai::{OpenAi, OpenAiConfig},
    own::error_from_response,
};
