//! How hard a request is, and where requests so hard go.

mod rules;
mod signals;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::rules::{ComplexRules, Evidence, Rules, SimpleRules};
pub use self::signals::Signals;

/// How hard a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complexity {
    /// A small model does.
    Simple,
    /// Neither simple nor complex.
    Moderate,
    /// It takes the best model there is.
    Complex,
}

impl fmt::Display for Complexity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Simple => "simple",
            Self::Moderate => "moderate",
            Self::Complex => "complex",
        })
    }
}

/// Tells how hard a request is: [`Rules`], or somebody's own.
pub trait Classifier: Send + Sync {
    /// Its class. Called once a request, on its way: quick, and without waiting for anything.
    fn classify(&self, signals: &Signals<'_>) -> Complexity;
}

/// The routes of the classes. A class without one leaves a request where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassRoutes {
    /// For simple requests.
    pub simple: Option<String>,
    /// For those between.
    pub moderate: Option<String>,
    /// For complex ones.
    pub complex: Option<String>,
}

impl ClassRoutes {
    /// The route of a class.
    pub fn route(&self, class: Complexity) -> Option<&str> {
        match class {
            Complexity::Simple => self.simple.as_deref(),
            Complexity::Moderate => self.moderate.as_deref(),
            Complexity::Complex => self.complex.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests;
