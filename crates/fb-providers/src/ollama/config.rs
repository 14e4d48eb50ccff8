use crate::{api_key::ApiKey, connection::Connection, secret::Secret, setters::setters};

/// Settings of [`Ollama`](crate::Ollama).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OllamaConfig {
    /// The URL of the server. `None` is `http://127.0.0.1:11434`.
    pub base_url: Option<String>,
    /// The API key of a hosted Ollama; a local server needs none.
    pub api_key: Option<Secret>,
    /// Several API keys instead of one: a call uses one that is free, and moves to the next one when it meets a limit.
    pub api_keys: Vec<ApiKey>,
    /// The context window to run models with, in tokens. A prompt that exceeds it is refused; without this setting
    /// Ollama truncates it silently.
    pub num_ctx: Option<u32>,
    /// The connection to the server, and additional headers.
    pub connection: Connection,
}

setters!(OllamaConfig);

impl OllamaConfig {
    /// Sets the context window to run models with, in tokens.
    #[must_use]
    pub const fn num_ctx(mut self, tokens: u32) -> Self {
        self.num_ctx = Some(tokens);
        self
    }
}

fb_core::with_changes!(OllamaConfig);
