//! One schema, ready to check values.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::census::Census;
use crate::{
    json::{MAX_DEPTH, depth, kind},
    quote::cut,
};

/// Largest schema text.
const MAX_BYTES: usize = 64 << 10;
/// Most patterns of a schema, and most bytes one takes compiled: with both and the cache's size, schemas of callers
/// hold 256 MiB at worst.
const MAX_PATTERNS: usize = 32;
const MAX_PATTERN_BYTES: usize = 128 << 10;
/// Most violations that a message names.
const MOST_NAMED: usize = 3;
/// Most bytes for one of them.
const MAX_VIOLATION: usize = 180;

pub(crate) struct Compiled {
    validator: Validator,
    census: Census,
}

impl Compiled {
    /// Reads a schema; the error says why it cannot be used.
    ///
    /// Formats are not checked: the current draft makes them remarks.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("{} bytes, expected at most {MAX_BYTES}", text.len()));
        }
        if depth(text) > MAX_DEPTH {
            return Err(format!("nested more than {MAX_DEPTH} deep"));
        }
        let schema: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let census = Census::of(&schema)?;
        if census.patterns > MAX_PATTERNS {
            return Err(format!("{} patterns, expected at most {MAX_PATTERNS}", census.patterns));
        }
        // The engine without backtracking: a caller's pattern takes time in line with the text, never more.
        let patterns =
            PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
        let options = jsonschema::options().with_pattern_options(patterns).should_validate_formats(false);
        let validator = options.build(&schema).map_err(|error| {
            let place = error.instance_path().as_str();
            format!("{place}: {}", cut(&error.to_string(), MAX_VIOLATION)).trim_start_matches(": ").to_owned()
        })?;
        Ok(Self { validator, census })
    }

    /// Whether a value follows the schema; `text` is what it was read from. The error names the first places that
    /// do not, if that takes few enough steps to find out.
    pub(crate) fn check(&self, value: &Value, text: &str) -> Result<(), String> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if !self.census.may_name(depth(text)) {
            return Err("does not follow the schema".to_owned());
        }
        let mut errors = self.validator.iter_errors(value);
        let mut named: Vec<String> =
            errors.by_ref().take(MOST_NAMED).map(|error| violation(&error)).collect();
        if errors.next().is_some() {
            named.push("and more".to_owned());
        }
        Err(named.join("; "))
    }
}

/// Place, what was found there by its kind, and what was expected.
fn violation(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().as_str();
    let what = error.masked_with(kind(error.instance())).to_string();
    let named = if place.is_empty() { what } else { format!("{place}: {what}") };
    cut(&named, MAX_VIOLATION).to_owned()
}

#[cfg(test)]
mod tests;
