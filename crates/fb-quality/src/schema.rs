//! Checks against the JSON schemas of routes and requests.

mod cache;
mod compiled;
mod schema_cost;

use std::sync::Arc;

use fb_core::{Chat, Format, Reply, ToolCall};
use serde_json::Value;
use thiserror::Error;

use self::cache::Cache;
pub(crate) use self::compiled::Compiled;
use crate::{
    Defect, GateKind, InvalidConfig, QualityConfig,
    json::{kind, parse},
    quote::named,
};

/// The route's own schema, and a cache of the schemas of recent requests.
pub(crate) struct Schemas {
    answer: Option<Arc<Compiled>>,
    cache: Cache,
}

/// A schema of a request that cannot be used to check answers, because it is invalid or exceeds a bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {why}")]
#[non_exhaustive]
pub struct UnusableSchema {
    /// The path of the schema in the request, such as `tools[0].parameters`.
    pub field: String,
    /// The reason.
    pub why: String,
}

impl Schemas {
    pub(crate) fn new(answer: Option<&str>) -> Result<Self, InvalidConfig> {
        let invalid =
            |why: String| InvalidConfig::expecting("answer_schema", why, "a JSON schema that can be checked");
        let answer = answer.map(Compiled::new).transpose().map_err(invalid)?.map(Arc::new);
        Ok(Self { answer, cache: Cache::default() })
    }

    pub(crate) fn prepare_format(&self, chat: &Chat) -> Result<(), UnusableSchema> {
        let Format::JsonSchema(schema) = &chat.format else { return Ok(()) };
        let unusable = |why| UnusableSchema { field: "response_format".to_owned(), why };
        self.cache.get(&schema.schema).map(drop).map_err(unusable)
    }

    pub(crate) fn prepare_tools(&self, chat: &Chat) -> Result<(), UnusableSchema> {
        for (index, tool) in chat.tools.iter().enumerate() {
            let unusable = |why| UnusableSchema { field: format!("tools[{index}].parameters"), why };
            if let Some(parameters) = &tool.parameters {
                self.cache.get(parameters).map(drop).map_err(unusable)?;
            }
        }
        Ok(())
    }

    /// Checks the text of an answer. An answer with tool calls is not final, so no schema applies to it.
    pub(crate) fn check_answer(
        &self,
        config: &QualityConfig,
        chat: &Chat,
        reply: &Reply,
    ) -> Result<(), Defect> {
        let format = if config.schema { &chat.format } else { &Format::Text };
        if (*format == Format::Text && self.answer.is_none()) || !reply.tool_calls.is_empty() {
            return Ok(());
        }
        let defect = |what: String| Defect::found_by(GateKind::Schema, format!("the answer: {what}"));
        let text = match inside_fence(&reply.text) {
            Some(inside) if config.strip_fences => inside,
            Some(_) => return Err(defect("JSON in a Markdown fence, expected the JSON alone".to_owned())),
            None => &reply.text,
        };
        let value = parse(text).map_err(defect)?;
        match format {
            Format::Text => {}
            Format::JsonObject if value.is_object() => {}
            Format::JsonObject => return Err(defect(format!("{}, expected an object", kind(&value)))),
            Format::JsonSchema(schema) => {
                if let Ok(compiled) = self.cache.get(&schema.schema) {
                    compiled.check(&value, text).map_err(defect)?;
                }
            }
        }
        self.answer.as_ref().map_or(Ok(()), |route| route.check(&value, text).map_err(defect))
    }

    pub(crate) fn check_call(&self, chat: &Chat, call: &ToolCall, arguments: &Value) -> Result<(), Defect> {
        let declared = chat.tools.iter().find(|tool| tool.name == call.name);
        let Some(parameters) = declared.and_then(|tool| tool.parameters.as_ref()) else { return Ok(()) };
        let Ok(compiled) = self.cache.get(parameters) else { return Ok(()) };
        let defect = |what: String| {
            Defect::found_by(GateKind::Tools, format!("arguments of {}: {what}", named(&call.name)))
        };
        compiled.check(arguments, &call.arguments).map_err(defect)
    }
}

/// Returns the content of a Markdown fence, if the fence is the whole text.
fn inside_fence(text: &str) -> Option<&str> {
    let (_language, inside) = text.trim().strip_prefix("```")?.split_once('\n')?;
    inside.strip_suffix("```")
}

#[cfg(test)]
mod tests;
