use std::time::Duration;

use thiserror::Error;

/// The longest duration that a setting accepts: a day.
const MAX_DURATION: Duration = Duration::from_secs(86_400);

/// An invalid setting, as returned by the constructors of all crates that depend on this one.
///
/// Displays as `FIELD = VALUE: EXPECTED`.
///
/// # Examples
///
/// ```
/// use fb_core::InvalidConfig;
///
/// let error = InvalidConfig::expecting("hedge.budget", 1.5, "0 to 1").within("routes.default");
/// assert_eq!(error.to_string(), "routes.default.hedge.budget = 1.5: expected 0 to 1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} = {value}: {expected}")]
#[non_exhaustive]
pub struct InvalidConfig {
    /// The path of the field, such as `routes.default.targets[1].provider`.
    pub field: String,
    /// The rejected value, shortened; never a secret.
    pub value: String,
    /// The accepted values, such as `expected 1 to 100`, or the reason why the value cannot be used.
    pub expected: String,
}

impl InvalidConfig {
    /// Creates an error from its three parts; `expected` is a complete phrase.
    pub fn new(field: impl Into<String>, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.into(), expected: expected.into() }
    }

    /// Creates an error for a value outside its range, with `range` such as `1 to 100`.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and temporary strings")]
    pub fn expecting(field: impl Into<String>, value: impl ToString, range: &str) -> Self {
        Self::new(field, value.to_string(), format!("expected {range}"))
    }

    /// Creates an error that shows the value quoted and truncated to 64 characters; `expected` is a complete phrase.
    pub fn quoted(field: impl Into<String>, value: &str, expected: impl Into<String>) -> Self {
        let value: String = value.chars().take(64).collect();
        Self::new(field, format!("{value:?}"), expected)
    }

    /// Returns an error if a duration is zero or longer than a day.
    #[must_use]
    pub fn check_duration(field: &str, duration: Duration) -> Option<Self> {
        let range = "a time above 0 and up to a day, such as \"30s\"";
        let invalid = duration.is_zero() || duration > MAX_DURATION;
        invalid.then(|| Self::expecting(field, format!("{duration:?}"), range))
    }

    /// Prefixes the field with the path of the table that contains it.
    #[must_use]
    pub fn within(mut self, table: &str) -> Self {
        self.field = format!("{table}.{}", self.field);
        self
    }
}
