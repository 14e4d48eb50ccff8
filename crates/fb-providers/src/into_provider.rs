use std::sync::Arc;

use fb_core::{InvalidConfig, Provider};

use crate::{
    anthropic::AnthropicConfig, azure::AzureConfig, config::ProviderConfig, ollama::OllamaConfig,
    openai::OpenAiConfig,
};

/// A provider, or the settings of one of this crate.
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

impl IntoProvider for OpenAiConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}

impl IntoProvider for AnthropicConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}

impl IntoProvider for AzureConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}

impl IntoProvider for OllamaConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        Ok(Arc::new(self.build()?))
    }
}

impl IntoProvider for ProviderConfig {
    fn into_provider(self) -> Result<Arc<dyn Provider>, InvalidConfig> {
        self.build()
    }
}
