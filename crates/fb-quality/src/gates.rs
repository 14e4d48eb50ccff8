//! The gates of a route and the order in which they run.

use std::fmt;

use fb_core::{Chat, FinishReason, Reply};

#[cfg(feature = "schema")]
use crate::schema::{Schemas, UnusableSchema};
use crate::{Defect, Gate, InvalidConfig, QualityConfig, repetition, text_checks, tools};

/// The quality gates of a route, in the order in which they run.
///
/// A value is built once per route and shared by all requests; compiled schemas are cached in it. Checks are pure: no
/// clock, no sockets, no files.
///
/// # Examples
///
/// ```
/// use fb_core::{Chat, Reply};
/// use fb_quality::{GateKind, Gates, QualityConfig};
///
/// let config = QualityConfig::with(|config| {
///     config.empty = true;
///     config.max_chars = Some(20);
/// });
/// let gates = Gates::new(config, Vec::new())?;
///
/// let reply = |text: &str| Reply { text: text.to_owned(), ..Reply::default() };
/// assert!(gates.check(&Chat::default(), &reply("Paris.")).is_ok());
///
/// let defect = gates.check(&Chat::default(), &reply(" \n")).unwrap_err();
/// assert_eq!(defect.gate(), GateKind::Empty);
/// assert_eq!(defect.to_string(), "empty: only white space, expected text or a tool call");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Gates {
    config: QualityConfig,
    #[cfg(feature = "schema")]
    schemas: Schemas,
    custom: Vec<Box<dyn Gate>>,
}

impl Gates {
    /// Builds the gates enabled in `config`, followed by the `custom` ones in the given order.
    ///
    /// # Errors
    /// Names the first invalid setting, such as an `answer_schema` that is not a JSON schema.
    pub fn new(config: QualityConfig, custom: Vec<Box<dyn Gate>>) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            #[cfg(feature = "schema")]
            schemas: Schemas::new(config.answer_schema.as_deref())?,
            config,
            custom,
        })
    }

    /// The configuration that the gates were built from.
    pub const fn config(&self) -> &QualityConfig {
        &self.config
    }

    /// Returns `true` if no gate is set, so that answers need no check.
    pub fn is_empty(&self) -> bool {
        let QualityConfig { schema, tools, empty, truncated, repetition, .. } = self.config;
        let bounds = self.config.min_chars.or(self.config.max_chars);
        let is_set = schema || tools || empty || truncated || repetition;
        !is_set && bounds.is_none() && self.config.answer_schema.is_none() && self.custom.is_empty()
    }

    /// Compiles the schemas of a request, so that an unusable one can be reported to its caller.
    ///
    /// [`check`](Self::check) skips unusable schemas instead of blaming the answer for them.
    ///
    /// # Errors
    /// Returns the first unusable schema and the reason.
    #[cfg(feature = "schema")]
    pub fn prepare(&self, chat: &Chat) -> Result<(), UnusableSchema> {
        if self.config.schema {
            self.schemas.prepare_format(chat)?;
        }
        if self.config.tools {
            self.schemas.prepare_tools(chat)?;
        }
        Ok(())
    }

    /// Checks a complete answer.
    ///
    /// A refusal passes, because it is a block and not a defect. Schemas of the request that cannot be used are
    /// skipped; [`Gates::prepare`] reports them.
    ///
    /// # Errors
    /// Returns the first defect, in the order `empty`, `truncated`, `repetition`, `length`, `schema`, `tools`, custom
    /// gates.
    pub fn check(&self, chat: &Chat, reply: &Reply) -> Result<(), Defect> {
        if matches!(reply.finish, FinishReason::Refusal | FinishReason::ContentFilter) {
            return Ok(());
        }
        let config = &self.config;
        if config.empty {
            text_checks::not_empty(reply)?;
        }
        if config.truncated {
            text_checks::not_truncated(chat, reply)?;
        }
        if config.repetition {
            repetition::no_loop(reply)?;
        }
        text_checks::length(config, reply)?;
        #[cfg(feature = "schema")]
        self.schemas.check_answer(config, chat, reply)?;
        if config.tools {
            tools::allowed(chat, reply)?;
            for call in &reply.tool_calls {
                let arguments = tools::arguments(call)?;
                #[cfg(feature = "schema")]
                self.schemas.check_call(chat, call, &arguments)?;
                #[cfg(not(feature = "schema"))]
                drop(arguments);
            }
        }
        self.custom.iter().try_for_each(|gate| gate.check(chat, reply))
    }
}

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gates")
            .field("config", &self.config)
            .field("custom", &self.custom.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
