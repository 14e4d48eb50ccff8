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
mod preset;
mod secret;
mod setters;
mod translate;

#[cfg(test)]
mod tests;

pub use fb_core::InvalidConfig;
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
    preset::Auth,
    secret::Secret,
};
