use fb_core::InvalidConfig;
use http::Uri;
use reqwest::Url;

use super::quirks::Quirks;
use crate::http::{Base, KeyHeader};

/// A known provider.
#[derive(Debug)]
pub(crate) struct Preset {
    /// Its `kind` in a config.
    pub(crate) name: &'static str,
    pub(crate) adapter: Adapter,
    /// Its address; `None` when every account has its own.
    pub(crate) base_url: Option<&'static str>,
    pub(crate) auth: Auth,
    /// The environment variable that usually holds the key; `None` when it needs no key.
    pub(crate) env: Option<&'static str>,
    pub(crate) probe: ProbePath,
    /// The model of a first call; `None` when it depends on the account or the server.
    pub(crate) default_model: Option<&'static str>,
    pub(crate) quirks: Quirks,
}

impl Preset {
    /// Returns true if the address belongs to the provider: HTTPS, and the host of the preset or a regional one below it.
    /// Azure gives every account a host of its own.
    pub(crate) fn is_own_address(&self, base: &Base) -> bool {
        let own = self.base_url.and_then(|address| Url::parse(address).ok());
        let own = own.as_ref().and_then(Url::host_str);
        let domains: &[&str] = if self.adapter == Adapter::Azure { AZURE_DOMAINS } else { own.as_slice() };
        let is_below = |domain: &&str| {
            base.host().strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        base.is_https() && domains.iter().any(is_below)
    }
}

/// The domains below which Azure hosts the resources of its accounts.
const AZURE_DOMAINS: &[&str] = &[
    "openai.azure.com",
    "services.ai.azure.com",
    "cognitiveservices.azure.com",
    "openai.azure.us",
    "openai.azure.cn",
];

/// The adapter that implements a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// [`OpenAi`](crate::OpenAi), also for every compatible server.
    OpenAi,
    /// [`Anthropic`](crate::Anthropic).
    Anthropic,
    /// [`Azure`](crate::Azure).
    Azure,
    /// [`Ollama`](crate::Ollama).
    Ollama,
}

impl Adapter {
    /// Returns the name of the feature that compiles the adapter.
    #[cfg(not(all(feature = "anthropic", feature = "azure", feature = "ollama", feature = "openai")))]
    pub(crate) const fn feature(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Azure => "azure",
            Self::Ollama => "ollama",
        }
    }

    /// Returns true if this program has the adapter.
    pub(crate) const fn is_built(self) -> bool {
        match self {
            Self::OpenAi => cfg!(feature = "openai"),
            Self::Anthropic => cfg!(feature = "anthropic"),
            Self::Azure => cfg!(feature = "azure"),
            Self::Ollama => cfg!(feature = "ollama"),
        }
    }
}

/// The header that carries the API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY`, used by Azure.
    ApiKey,
    /// `x-api-key: KEY`, used by Anthropic.
    XApiKey,
}

impl From<Auth> for KeyHeader {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Bearer => Self::Bearer,
            Auth::ApiKey => Self::Named("api-key"),
            Auth::XApiKey => Self::Named("x-api-key"),
        }
    }
}

/// The path of a free request that shows whether a provider is reachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbePath {
    /// Relative to the base URL.
    Base(&'static str),
    /// Relative to the root of the server.
    Root(&'static str),
    /// The provider has no such request.
    None,
}

impl ProbePath {
    pub(crate) fn uri(self, base: &Base) -> Result<Option<Uri>, InvalidConfig> {
        match self {
            Self::Base(path) => base.endpoint(path).map(Some),
            Self::Root(path) => base.root_endpoint(path).map(Some),
            Self::None => Ok(None),
        }
    }
}
