//! The quality settings of a route.

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};

use crate::MaxLoss;

/// The checks that a route applies to its answers, and the consequences of a defect; nothing is checked unless set.
///
/// ```
/// # use fb_quality::{Gates, QualityConfig};
/// let config = QualityConfig::with(|config| {
///     config.empty = true;
///     config.tools = true;
/// });
/// let gates = Gates::new(config, Vec::new())?;
/// # Ok::<(), fb_quality::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each switches one gate")]
#[non_exhaustive]
pub struct QualityConfig {
    /// Requires an answer to have the form that the request's `response_format` demands. Defaults to false.
    pub schema: bool,
    /// JSON schema, as JSON text, that every answer of the route must follow too, unless it calls tools.
    pub answer_schema: Option<String>,
    /// Accepts JSON inside a Markdown fence. The answer is delivered unchanged, including the fence. Defaults to false.
    pub strip_fences: bool,
    /// Requires tool calls to name declared tools with valid arguments, and to be present when required. Defaults to
    /// false.
    pub tools: bool,
    /// Rejects an answer with neither text nor a tool call. Defaults to false.
    pub empty: bool,
    /// Rejects an answer that was cut at a token limit its caller did not set. Defaults to false.
    pub truncated: bool,
    /// Rejects an answer that ends in a loop. Defaults to false.
    pub repetition: bool,
    /// Minimum number of characters of an answer that calls no tools, surrounding white space not counted.
    pub min_chars: Option<usize>,
    /// Maximum number of characters of an answer that calls no tools, surrounding white space not counted.
    pub max_chars: Option<usize>,
    /// Holds a stream back until its complete answer passed the checks. Otherwise the stream is delivered as it
    /// arrives, and one with a defect ends with an error event instead of its end signal. Defaults to false.
    pub buffer: bool,
    /// Calls the same target once more, with a description of the defect, before the next target is tried. Defaults to
    /// false.
    pub repair: bool,
    /// The largest loss allowed when a request is translated into a target's dialect. Defaults to "any".
    pub max_loss: MaxLoss,
}

impl QualityConfig {
    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        if let (Some(min), Some(max)) = (self.min_chars, self.max_chars)
            && min > max
        {
            return Err(InvalidConfig::expecting("min_chars", min, "at most `max_chars`"));
        }
        #[cfg(not(feature = "schema"))]
        for (field, is_set) in [("schema", self.schema), ("answer_schema", self.answer_schema.is_some())] {
            if is_set {
                return Err(InvalidConfig::expecting(
                    field,
                    "set",
                    "unset: built without the feature `schema`",
                ));
            }
        }
        Ok(())
    }
}

fb_core::with_changes!(QualityConfig);

#[cfg(test)]
mod tests;
