//! Classification of requests by complexity, and routes per class.

mod class;
mod rules;
mod signals;

pub use self::class::{ClassRoutes, Classifier, Complexity};
pub use self::rules::{ComplexRules, Evidence, Rules, SimpleRules};
pub use self::signals::Signals;

#[cfg(test)]
mod tests;
