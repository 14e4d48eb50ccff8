use std::{fmt, time::Duration};

/// The longest duration that a setting accepts: a day.
const MAX_DURATION: Duration = Duration::from_secs(86_400);

/// One error in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the setting, such as `routes.default.targets[1].provider`.
    pub field: String,
    /// The value found there, shortened; never a secret.
    pub value: String,
    /// The values that would be accepted, and a likely correction if there is one.
    pub expected: String,
}

impl Problem {
    /// Creates a problem from the path of a setting, its value and the expected values.
    pub fn new(field: impl Into<String>, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.into(), expected: expected.into() }
    }

    /// Returns a problem if a duration is zero or longer than a day.
    #[must_use]
    pub fn check_duration(field: &str, duration: Duration) -> Option<Self> {
        let expected = "expected a time above 0 and up to a day, such as \"30s\"";
        let invalid = duration.is_zero() || duration > MAX_DURATION;
        invalid.then(|| Self::new(field, format!("{duration:?}"), expected))
    }
}

impl From<fb_budget::InvalidConfig> for Problem {
    fn from(error: fb_budget::InvalidConfig) -> Self {
        Self::new(error.field, error.value, format!("expected {}", error.expected))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.field, self.value, self.expected)
    }
}

/// Formats a value for a message: quoted and cut to 64 characters.
pub(crate) fn quote(text: &str) -> String {
    format!("{:?}", text.chars().take(64).collect::<String>())
}
