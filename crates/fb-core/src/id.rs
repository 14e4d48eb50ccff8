use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// The name of a configured provider: an account at an upstream.
///
/// Never empty and never holds a slash, so that `PROVIDER/MODEL` splits at the first one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(Arc<str>);

impl ProviderId {
    /// Checks and takes the name.
    ///
    /// # Errors
    /// When the name is empty, longer than 128 bytes, or holds a slash, white space or a control character.
    pub fn new(name: &str) -> Result<Self, InvalidId> {
        let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > 128 || name.contains(bad) {
            return Err(InvalidId(name.chars().take(128).collect()));
        }
        Ok(Self(name.into()))
    }

    /// The name.
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

/// A provider and one of its models; printed and parsed as `PROVIDER/MODEL`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId {
    provider: ProviderId,
    model: Arc<str>,
}

impl TargetId {
    /// Joins a provider and the name one of its models has there.
    pub fn new(provider: ProviderId, model: &str) -> Self {
        Self { provider, model: model.into() }
    }

    /// The provider's name.
    pub const fn provider(&self) -> &ProviderId {
        &self.provider
    }

    /// The model's name at its provider; it may hold slashes.
    pub fn model(&self) -> &str {
        &self.model
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

/// A name that is no provider and no `PROVIDER/MODEL`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a name: expected 1 to 128 characters without slash, space or control character")]
pub struct InvalidId(String);
