//! A compiled JSON schema.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::schema_cost::SchemaCost;
use crate::{
    json::{MAX_DEPTH, depth, kind},
    quote::cut,
};

/// Maximum length of a schema's text in bytes.
const MAX_BYTES: usize = 64 << 10;
/// Maximum number of patterns in a schema. Together with the compiled size of a pattern and the size of the cache, it
/// bounds the memory of callers' schemas to 256 MiB.
const MAX_PATTERNS: usize = 32;
/// Maximum size of a compiled pattern in bytes.
const MAX_PATTERN_BYTES: usize = 128 << 10;
/// Maximum number of violations in a message.
const MAX_VIOLATIONS: usize = 3;
/// Maximum length of one violation in bytes.
const MAX_VIOLATION: usize = 180;

pub(crate) struct Compiled {
    validator: Validator,
    cost: SchemaCost,
}

impl Compiled {
    /// Compiles a schema. The error is the reason for which it cannot be used.
    ///
    /// `format` is not checked: it is an annotation in the current draft.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("{} bytes, expected at most {MAX_BYTES}", text.len()));
        }
        if depth(text) > MAX_DEPTH {
            return Err(format!("nested more than {MAX_DEPTH} deep"));
        }
        let schema: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let cost = SchemaCost::measure(&schema)?;
        if cost.patterns > MAX_PATTERNS {
            return Err(format!("{} patterns, expected at most {MAX_PATTERNS}", cost.patterns));
        }
        // The regex engine without backtracking: the time of a caller's pattern is linear in the text.
        let patterns =
            PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
        let options = jsonschema::options().with_pattern_options(patterns).should_validate_formats(false);
        let validator = options.build(&schema).map_err(|error| {
            let pointer = error.instance_path().as_str();
            format!("{pointer}: {}", cut(&error.to_string(), MAX_VIOLATION))
                .trim_start_matches(": ")
                .to_owned()
        })?;
        Ok(Self { validator, cost })
    }

    /// Checks a value that was parsed from `text`. The error lists the first violations, if their enumeration has a
    /// bounded cost.
    pub(crate) fn check(&self, value: &Value, text: &str) -> Result<(), String> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if !self.cost.can_enumerate(depth(text)) {
            return Err("does not follow the schema".to_owned());
        }
        let mut errors = self.validator.iter_errors(value);
        let mut violations: Vec<String> =
            errors.by_ref().take(MAX_VIOLATIONS).map(|error| violation(&error)).collect();
        if errors.next().is_some() {
            violations.push("and more".to_owned());
        }
        Err(violations.join("; "))
    }
}

/// Renders a violation: its JSON pointer, the type of the value there, and the expectation.
fn violation(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().as_str();
    let what = error.masked_with(kind(error.instance())).to_string();
    let message = if pointer.is_empty() { what } else { format!("{pointer}: {what}") };
    cut(&message, MAX_VIOLATION).to_owned()
}

#[cfg(test)]
mod tests;
