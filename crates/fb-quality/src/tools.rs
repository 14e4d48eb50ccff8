//! Checks of tool calls against the tools that the request declares.

use std::collections::HashSet;

use fb_core::{Chat, Reply, ToolCall, ToolChoice};
use serde_json::{Map, Value};

use crate::{
    Defect, GateKind,
    json::{kind, parse},
    quote::named,
};

/// Checks that the request allows every call, and that no required call is missing.
pub(crate) fn allowed(chat: &Chat, reply: &Reply) -> Result<(), Defect> {
    let calls = &reply.tool_calls;
    match &chat.tool_choice {
        Some(ToolChoice::Required) if calls.is_empty() => {
            return defect("no tool was called, expected a call");
        }
        Some(ToolChoice::Named(name)) if !calls.iter().any(|call| call.name == *name) => {
            return defect(format!("{} was not called, expected a call of it", named(name)));
        }
        Some(ToolChoice::None) if !calls.is_empty() => {
            return defect(format!("{} was called, expected no call", named(&calls[0].name)));
        }
        None | Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_)) => {}
    }
    if chat.parallel_tools == Some(false) && calls.len() > 1 {
        return defect(format!("{} calls at once, expected one", calls.len()));
    }
    let mut ids = HashSet::new();
    for call in calls {
        if !is_declared(chat, &call.name) {
            return defect(format!("{} was called, which is not declared", named(&call.name)));
        }
        if !call.id.is_empty() && !ids.insert(&call.id) {
            return defect(format!("two calls with the id {}, expected one each", named(&call.id)));
        }
    }
    Ok(())
}

/// Parses the arguments of a call. Empty text counts as an empty object, because some providers write nothing for a
/// tool without arguments.
pub(crate) fn arguments(call: &ToolCall) -> Result<Value, Defect> {
    if call.arguments.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let defect = |what: String| {
        Defect::found_by(GateKind::Tools, format!("arguments of {}: {what}", named(&call.name)))
    };
    let value = parse(&call.arguments).map_err(defect)?;
    if value.is_object() { Ok(value) } else { Err(defect(format!("{}, expected an object", kind(&value)))) }
}

/// Returns `true` if the request declares a tool of this name. A request with tools of a kind that [`Chat`] does not
/// model accepts every name.
fn is_declared(chat: &Chat, name: &str) -> bool {
    let is_unmodelled = |path: &str| path.starts_with("tools") || path.starts_with("functions");
    chat.tools.iter().any(|tool| tool.name == name)
        || chat.extra.iter().any(|extra| is_unmodelled(&extra.path))
}

fn defect(message: impl AsRef<str>) -> Result<(), Defect> {
    Err(Defect::found_by(GateKind::Tools, message))
}

#[cfg(test)]
mod tests;
