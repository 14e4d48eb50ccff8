//! What a route checks, as it stands in a config.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::MaxLoss;

/// What a route checks in its answers, and what follows; nothing unless set.
///
/// ```
/// # use fb_quality::{Gates, QualityConfig};
/// let config = QualityConfig { empty: true, tools: true, ..QualityConfig::default() };
/// let gates = Gates::new(config, Vec::new())?;
/// # Ok::<(), fb_quality::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each switches one gate")]
pub struct QualityConfig {
    /// Whether an answer must be what the request's `response_format` asks for; false.
    pub schema: bool,
    /// JSON schema, as JSON text, that every answer of the route must follow as well, unless it calls tools; none.
    pub answer_schema: Option<String>,
    /// Whether JSON may stand in a Markdown fence; false. The answer goes out as it came, fence and all.
    pub strip_fences: bool,
    /// Whether tool calls must be of declared tools with valid arguments, and be there when required; false.
    pub tools: bool,
    /// Whether an answer must hold text or a tool call; false.
    pub empty: bool,
    /// Whether an answer may not be cut at a limit that its caller did not set; false.
    pub truncated: bool,
    /// Whether an answer may not end in a loop; false.
    pub repetition: bool,
    /// Fewest characters of an answer that calls no tools, white space around it not counted; none.
    pub min_chars: Option<usize>,
    /// Most characters of an answer that calls no tools, white space around it not counted; none.
    pub max_chars: Option<usize>,
    /// Whether a stream is held back until its answer was checked; false. Else it goes out as it comes, and a defect
    /// found at its end only lowers the target's score.
    pub buffer: bool,
    /// Whether a target is asked once more, with the defect in words, before the next one is tried; false.
    pub repair: bool,
    /// Most that a request may lose when it is said in a target's words; any.
    pub max_loss: MaxLoss,
}

impl QualityConfig {
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if let (Some(min), Some(max)) = (self.min_chars, self.max_chars)
            && min > max
        {
            return Err(InvalidConfig::new("min_chars", &min, "at most `max_chars`"));
        }
        #[cfg(not(feature = "schema"))]
        for (field, is_set) in [("schema", self.schema), ("answer_schema", self.answer_schema.is_some())] {
            if is_set {
                return Err(InvalidConfig::new(field, &"set", "unset: built without the feature `schema`"));
            }
        }
        Ok(())
    }
}

/// A setting no gates could work with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid quality config: `{field}` is {value}, expected {expected}")]
pub struct InvalidConfig {
    /// The field.
    pub field: &'static str,
    /// What it was, or what is wrong with it.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

impl InvalidConfig {
    pub(crate) fn new(field: &'static str, value: &impl ToString, expected: &'static str) -> Self {
        Self { field, value: value.to_string(), expected }
    }
}

#[cfg(test)]
mod tests;
