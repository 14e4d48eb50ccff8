//! What can be wrong with an answer whatever it says.

use fb_core::{Chat, FinishReason, Reply};

use crate::{Defect, GateKind, QualityConfig};

pub(crate) fn not_empty(reply: &Reply) -> Result<(), Defect> {
    if !reply.text.trim().is_empty() || !reply.tool_calls.is_empty() {
        return Ok(());
    }
    let found = if !reply.thinking.trim().is_empty() {
        "only thinking"
    } else if !reply.text.is_empty() {
        "only white space"
    } else {
        "nothing"
    };
    Err(Defect::of(GateKind::Empty, format!("{found}, expected text or a tool call")))
}

/// A cut at the caller's own limit is what the caller asked for, and every target would cut there.
pub(crate) fn not_truncated(chat: &Chat, reply: &Reply) -> Result<(), Defect> {
    if reply.finish != FinishReason::Length {
        return Ok(());
    }
    let asked = chat.max_tokens.map(u64::from);
    let used = reply.usage.map(|usage| usage.output);
    let message = match (asked, used) {
        (None, Some(used)) => format!("cut after {used} tokens by a limit of the provider's"),
        (None, None) => "cut by a limit of the provider's".to_owned(),
        (Some(asked), Some(used)) if used < asked => format!("cut after {used} of {asked} tokens"),
        (Some(_), _) => return Ok(()),
    };
    Err(Defect::of(GateKind::Truncated, message))
}

pub(crate) fn length(config: &QualityConfig, reply: &Reply) -> Result<(), Defect> {
    if (config.min_chars.is_none() && config.max_chars.is_none()) || !reply.tool_calls.is_empty() {
        return Ok(());
    }
    let found = reply.text.trim().chars().count();
    let expected = match (config.min_chars, config.max_chars) {
        (Some(min), _) if found < min => format!("at least {min}"),
        (_, Some(max)) if found > max => format!("at most {max}"),
        _ => return Ok(()),
    };
    Err(Defect::of(GateKind::Length, format!("{found} characters, expected {expected}")))
}

#[cfg(test)]
mod tests;
