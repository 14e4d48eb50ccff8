use std::sync::Arc;

use fb_core::{InvalidConfig, Provider};

/// A provider, or the settings of one of this crate.
///
/// Implement [`Provider`] instead: each is a value of this trait. Settings of another program's provider implement it to be
/// checked with the rest of a client, and must not make a call, because a client may be built outside of a runtime.
pub trait IntoProvider {
    /// Returns the provider; sends nothing.
    ///
    /// # Errors
    /// Names the invalid setting, its value and what was expected. Never contains a secret.
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig>;
}

impl<P: Provider> IntoProvider for P {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self))
    }
}

#[cfg(feature = "openai")]
impl IntoProvider for crate::OpenAiConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}

#[cfg(feature = "anthropic")]
impl IntoProvider for crate::AnthropicConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}

#[cfg(feature = "azure")]
impl IntoProvider for crate::AzureConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}

#[cfg(feature = "ollama")]
impl IntoProvider for crate::OllamaConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}
