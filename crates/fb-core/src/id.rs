use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// The name of a configured provider: an account at an upstream.
///
/// A name is never empty and contains no slash, so that `PROVIDER/MODEL` can be split at the first slash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(Arc<str>);

impl ProviderId {
    /// Validates a name.
    ///
    /// # Errors
    /// [`InvalidId`] if the name is empty, longer than 128 bytes, or contains a slash, white space or a control character.
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > 128 || name.contains(bad) {
            return Err(InvalidId(name.chars().take(128).collect()));
        }
        Ok(Self(name.into()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A provider and one of its models, displayed and parsed as `PROVIDER/MODEL`.
///
/// # Examples
///
/// ```
/// use fb_core::TargetId;
///
/// let target: TargetId = "openrouter/meta-llama/llama-4".parse()?;
/// assert_eq!(target.provider().as_str(), "openrouter");
/// assert_eq!(target.model(), "meta-llama/llama-4");
/// # Ok::<(), fb_core::InvalidId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId {
    provider: ProviderId,
    model: Arc<str>,
}

impl TargetId {
    /// Creates an id from a provider and the provider's name for a model.
    pub fn new(provider: ProviderId, model: &str) -> Self {
        Self { provider, model: model.into() }
    }

    /// Returns the provider's name.
    pub const fn provider(&self) -> &ProviderId {
        &self.provider
    }

    /// Returns the provider's name for the model; it may contain slashes.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns `true` if a `PROVIDER` or a `PROVIDER/MODEL` names this target.
    pub fn is_named(&self, name: &str) -> bool {
        let provider = self.provider.as_str();
        name.split_once('/').map_or(name == provider, |(p, model)| p == provider && model == self.model())
    }
}

impl FromStr for TargetId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once('/') {
            Some((provider, model)) if !model.is_empty() => Ok(Self::new(ProviderId::new(provider)?, model)),
            _ => Err(InvalidId(text.chars().take(128).collect())),
        }
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl fmt::Debug for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a name that is neither a provider nor `PROVIDER/MODEL`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a name: expected 1 to 128 characters without slash, space or control character")]
pub struct InvalidId(String);
