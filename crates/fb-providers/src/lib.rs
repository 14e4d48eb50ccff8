#![doc = include_str!("../README.md")]

mod anthropic;
mod api_key;
mod azure;
mod config;
mod connection;
mod discover;
mod edits;
mod exchange;
mod http;
mod into_provider;
mod models;
mod nearest;
mod nested;
mod ollama;
mod openai;
mod own;
mod preset;
mod secret;
mod setters;
mod translate;

#[cfg(test)]
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
pub use reqwest;

pub use crate::{
    anthropic::{Anthropic, AnthropicConfig},
    api_key::ApiKey,
    azure::{Azure, AzureConfig},
    config::ProviderConfig,
    connection::{Connection, ExtraHeaders},
    discover::{DiscoveredProvider, discover, environment_variables},
    http::plain_http_client,
    into_provider::IntoProvider,
    models::is_thinking_model,
    nearest::nearest,
    ollama::{Ollama, OllamaConfig},
    openai::{OpenAi, OpenAiConfig},
    own::error_from_response,
    preset::Auth,
    secret::Secret,
};
