//! Settings of breaker, retries and health: for all targets, for those of a provider, for one; the nearest wins.

use fb_breaker::{Breaker, BreakerConfig};
use fb_core::Overlay;
use fb_health::{Fleet, HealthConfig};
use fb_providers::ProviderConfig;
use fb_retry::{RetryConfig, RetryPolicy};

use crate::{Problem, Target, engine::now};

/// What is in force somewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mechanisms {
    pub(crate) breaker: BreakerConfig,
    pub(crate) retry: RetryConfig,
    pub(crate) health: HealthConfig,
}

/// What a provider or a target has of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Own {
    pub(crate) breaker: Option<Overlay>,
    pub(crate) retry: Option<Overlay>,
    pub(crate) health: Option<Overlay>,
}

impl From<&ProviderConfig> for Own {
    fn from(of: &ProviderConfig) -> Self {
        Self { breaker: of.breaker.clone(), retry: of.retry.clone(), health: of.health.clone() }
    }
}

impl From<&Target> for Own {
    fn from(of: &Target) -> Self {
        Self { breaker: of.breaker.clone(), retry: of.retry.clone(), health: of.health.clone() }
    }
}

impl Mechanisms {
    /// These settings with what is narrower, at a place such as `providers.openai`; what is wrong there is left out of
    /// the result.
    pub(crate) fn narrowed(&self, own: &Own, at: &str, found: &mut Vec<Problem>) -> Self {
        let mut narrow = self.clone();
        let mut note = |field: &str, error: String| {
            found.push(Problem::new(format!("{at}.{field}"), "(settings)", error));
        };
        if let Some(overlay) = &own.breaker {
            match overlay.on(&self.breaker) {
                Ok(breaker) => narrow.breaker = breaker,
                Err(error) => note("breaker", error),
            }
        }
        if let Some(overlay) = &own.retry {
            match overlay.on(&self.retry) {
                Ok(retry) => narrow.retry = retry,
                Err(error) => note("retry", error),
            }
        }
        if let Some(overlay) = &own.health {
            match overlay.on(&self.health) {
                Ok(health) => narrow.health = health,
                Err(error) => note("health", error),
            }
        }
        if narrow != *self {
            narrow.check(&format!("{at}."), found);
        }
        narrow
    }

    /// Names every value with which a mechanism could not work; `at` is what stands before its table.
    pub(crate) fn check(&self, at: &str, found: &mut Vec<Problem>) {
        if let Err(error) = Breaker::new(self.breaker.clone(), now) {
            found.push(Problem::new(format!("{at}breaker.{}", error.field), error.value, error.expected));
        }
        if let Err(error) = RetryPolicy::new(self.retry.clone()) {
            found.push(Problem::new(format!("{at}retry.{}", error.field), error.value, error.expected));
        }
        if let Err(error) = Fleet::new(self.health.clone()) {
            found.push(Problem::new(format!("{at}health.{}", error.field), error.value, error.expected));
        }
    }
}
