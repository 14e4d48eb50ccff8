//! Breaker, retry and health settings in three layers: global, per provider, per target. The innermost layer wins.

use fb_breaker::{Breaker, BreakerConfig};
use fb_core::{InvalidConfig, Overlay};
use fb_health::{Fleet, HealthConfig};
use fb_providers::ProviderConfig;
use fb_retry::{RetryConfig, RetryPolicy};

use crate::{Target, clock::now};

/// The effective settings of one layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mechanisms {
    pub(crate) breaker: BreakerConfig,
    pub(crate) retry: RetryConfig,
    pub(crate) health: HealthConfig,
}

/// The settings that a provider or a target overrides.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Overrides {
    pub(crate) breaker: Option<Overlay>,
    pub(crate) retry: Option<Overlay>,
    pub(crate) health: Option<Overlay>,
}

impl From<&ProviderConfig> for Overrides {
    fn from(provider: &ProviderConfig) -> Self {
        Self {
            breaker: provider.breaker.clone(),
            retry: provider.retry.clone(),
            health: provider.health.clone(),
        }
    }
}

impl From<&Target> for Overrides {
    fn from(target: &Target) -> Self {
        Self { breaker: target.breaker.clone(), retry: target.retry.clone(), health: target.health.clone() }
    }
}

impl Mechanisms {
    /// Returns these settings with the overrides of an inner layer applied. An override that cannot be applied is
    /// reported under `path`, such as `providers.openai`, and left out.
    pub(crate) fn with_overrides(
        &self,
        overrides: &Overrides,
        path: &str,
        problems: &mut Vec<InvalidConfig>,
    ) -> Self {
        let mut inner = self.clone();
        let mut report = |field: &str, overlay: &Overlay, error: String| {
            let field = format!("{path}.{field}");
            problems.push(match overlay.preset() {
                Some(name) => InvalidConfig::quoted(field, name, error),
                None => InvalidConfig::new(field, "(settings)", error),
            });
        };
        if let Some(overlay) = &overrides.breaker {
            match overlay.apply_to(&self.breaker) {
                Ok(breaker) => inner.breaker = breaker,
                Err(error) => report("breaker", overlay, error),
            }
        }
        if let Some(overlay) = &overrides.retry {
            match overlay.apply_to(&self.retry) {
                Ok(retry) => inner.retry = retry,
                Err(error) => report("retry", overlay, error),
            }
        }
        if let Some(overlay) = &overrides.health {
            match overlay.apply_to(&self.health) {
                Ok(health) => inner.health = health,
                Err(error) => report("health", overlay, error),
            }
        }
        // Settings that an inner layer merely inherits are reported once, for the layer that sets them.
        if inner != *self {
            inner.check(&format!("{path}."), problems);
        }
        inner
    }

    /// Reports every setting that a mechanism rejects, with `prefix` in front of its path.
    pub(crate) fn check(&self, prefix: &str, problems: &mut Vec<InvalidConfig>) {
        if let Err(error) = Breaker::new(self.breaker.clone(), now) {
            problems.push(
                InvalidConfig::expecting(error.field, error.value, error.expected)
                    .within(&format!("{prefix}breaker")),
            );
        }
        if let Err(error) = RetryPolicy::new(self.retry.clone()) {
            problems.push(
                InvalidConfig::expecting(error.field, error.value, error.expected)
                    .within(&format!("{prefix}retry")),
            );
        }
        if let Err(error) = Fleet::new(self.health.clone()) {
            problems.push(error.within(&format!("{prefix}health")));
        }
    }
}
