//! All gates of a route, in their order.

use std::fmt;

use fb_core::{Chat, FinishReason, Reply};

#[cfg(feature = "schema")]
use crate::schema::{Schemas, UnusableSchema};
use crate::{Defect, Gate, InvalidConfig, QualityConfig, repetition, shape, tools};

/// The gates of a route.
pub struct Gates {
    config: QualityConfig,
    #[cfg(feature = "schema")]
    schemas: Schemas,
    custom: Vec<Box<dyn Gate>>,
}

impl Gates {
    /// The gates that the config names, then those of the program in their order.
    ///
    /// # Errors
    /// Names the first setting that no gates could work with, such as a schema that is none.
    pub fn new(config: QualityConfig, custom: Vec<Box<dyn Gate>>) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            #[cfg(feature = "schema")]
            schemas: Schemas::new(config.answer_schema.as_deref())?,
            config,
            custom,
        })
    }

    /// What they were made of.
    pub const fn config(&self) -> &QualityConfig {
        &self.config
    }

    /// Whether there is none, so that an answer need not be looked at.
    pub fn is_empty(&self) -> bool {
        let QualityConfig { schema, tools, empty, truncated, repetition, .. } = self.config;
        let bounds = self.config.min_chars.or(self.config.max_chars);
        let is_set = schema || tools || empty || truncated || repetition;
        !is_set && bounds.is_none() && self.config.answer_schema.is_none() && self.custom.is_empty()
    }

    /// Compiles the schemas of a request, so that its caller can be told which one cannot be used: answers are not
    /// checked against it.
    ///
    /// # Errors
    /// The first such schema, and why.
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

    /// Checks a whole answer. A refusal passes: it is a block, not a defect. A schema of the request that cannot be
    /// used is not held against the answer.
    ///
    /// # Errors
    /// The first defect: first of the whole (`empty`, `truncated`, `repetition`, `length`), then of its form (`schema`,
    /// `tools`), then what the program's own gates say.
    pub fn check(&self, chat: &Chat, reply: &Reply) -> Result<(), Defect> {
        if matches!(reply.finish, FinishReason::Refusal | FinishReason::ContentFilter) {
            return Ok(());
        }
        let config = &self.config;
        if config.empty {
            shape::not_empty(reply)?;
        }
        if config.truncated {
            shape::not_truncated(chat, reply)?;
        }
        if config.repetition {
            repetition::no_loop(reply)?;
        }
        shape::length(config, reply)?;
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
