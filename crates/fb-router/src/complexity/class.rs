//! Complexity classes, the classifier trait, and the routes of the classes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::signals::Signals;

/// The complexity class of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complexity {
    /// A small model is enough.
    Simple,
    /// Neither simple nor complex.
    Moderate,
    /// The best available model is needed.
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

/// Assigns a complexity class to a request. [`Rules`](crate::Rules) is the built-in implementation.
///
/// A classifier runs on the path of every request to a route with class routes, before the first target is selected.
/// An implementation may keep state of its own, such as counters or a trained model; it is shared between threads and
/// called concurrently.
///
/// An implementation must not:
///
/// - block or wait, for a lock held long, a file, or a network call: it runs on an async worker thread, and its time is
///   added to the latency of every request;
/// - panic: the request would be lost, because routing has no fallback for a failed classification;
/// - depend on more than the signals, if plans must be reproducible: a dry run classifies the request again and would
///   show another route.
///
/// # Examples
///
/// ```
/// use fb_router::{Classifier, Complexity, Signals};
///
/// struct ByLength;
///
/// impl Classifier for ByLength {
///     fn classify(&self, signals: &Signals<'_>) -> Complexity {
///         if signals.tokens < 100 { Complexity::Simple } else { Complexity::Complex }
///     }
/// }
///
/// assert_eq!(ByLength.classify(&Signals::from_text("hello")), Complexity::Simple);
/// ```
pub trait Classifier: Send + Sync {
    /// Returns the class of a request. Called once per request.
    fn classify(&self, signals: &Signals<'_>) -> Complexity;
}

/// The routes of the complexity classes. A request stays on its route if its class has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassRoutes {
    /// The route for simple requests.
    pub simple: Option<String>,
    /// The route for moderate requests.
    pub moderate: Option<String>,
    /// The route for complex requests.
    pub complex: Option<String>,
}

impl ClassRoutes {
    /// Returns the route of a class.
    pub fn route(&self, class: Complexity) -> Option<&str> {
        match class {
            Complexity::Simple => self.simple.as_deref(),
            Complexity::Moderate => self.moderate.as_deref(),
            Complexity::Complex => self.complex.as_deref(),
        }
    }
}
