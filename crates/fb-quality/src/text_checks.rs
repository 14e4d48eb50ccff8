//! Checks of an answer's text as a whole: emptiness, truncation, length.

use fb_core::{Chat, FinishReason, Reply};

use crate::{Defect, GateKind, QualityConfig};

/// Rejects an answer with neither text nor a tool call.
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
    Err(Defect::found_by(GateKind::Empty, format!("{found}, expected text or a tool call")))
}

/// Rejects an answer that a token limit cut. A cut at the caller's own limit passes: it is intended, and every other
/// target would cut there too.
pub(crate) fn not_truncated(chat: &Chat, reply: &Reply) -> Result<(), Defect> {
    if reply.finish != FinishReason::Length {
        return Ok(());
    }
    let requested = chat.max_tokens.map(u64::from);
    let used = reply.usage.map(|usage| usage.output);
    let message = match (requested, used) {
        (None, Some(used)) => format!("cut after {used} tokens by a limit of the provider"),
        (None, None) => "cut by a limit of the provider".to_owned(),
        (Some(requested), Some(used)) if used < requested => {
            format!("cut after {used} of {requested} tokens")
        }
        (Some(_), _) => return Ok(()),
    };
    Err(Defect::found_by(GateKind::Truncated, message))
}

/// Rejects an answer outside the configured length.
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
    Err(Defect::found_by(GateKind::Length, format!("{found} characters, expected {expected}")))
}

#[cfg(test)]
mod tests;
