//! What holds for any text. The fuzz target and the property test on stable share this function.

use fb::Config;

/// A config is accepted, or every problem names its field; its warnings can be made in any case.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::from_toml(text) {
        Ok(config) => drop(config.warnings()),
        Err(error) => {
            assert!(!error.problems.is_empty());
            assert!(error.problems.iter().all(|problem| !problem.to_string().is_empty()), "{error:?}");
        }
    }
}
