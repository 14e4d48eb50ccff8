//! Encodes the reasoning effort.

use fb_core::{Chat, Effort};

use super::{body::Thinking, messages::Conversation};
use crate::anthropic::{limits::Limits, notes::Notes};

/// The fields of the body that control thinking.
#[derive(Clone, Copy)]
pub(super) struct ThinkingConfig {
    pub(super) mode: Option<Thinking>,
    pub(super) effort: Option<Effort>,
    /// Maximum number of generated tokens, including thinking.
    pub(super) max_tokens: u32,
}

impl ThinkingConfig {
    pub(super) const fn is_on(&self) -> bool {
        matches!(self.mode, Some(Thinking::Adaptive | Thinking::Enabled { .. }))
    }
}

const FIELD: &str = "reasoning_effort";

pub(super) fn decide(
    chat: &Chat,
    limits: &Limits,
    conversation: &Conversation<'_>,
    max_tokens: u32,
    notes: &mut Notes,
) -> ThinkingConfig {
    let unset = ThinkingConfig { mode: None, effort: None, max_tokens };
    match chat.effort {
        Some(effort) if limits.adaptive_thinking => adaptive(effort, limits, unset, notes),
        None | Some(Effort::None) => unset,
        Some(_) if conversation.ends_with_unthinking_call() => {
            notes.add(
                FIELD,
                "dropped: the model must not begin to think between a tool's call and its result",
            );
            unset
        }
        Some(effort) => budgeted(chat, effort, limits, unset, notes),
    }
}

fn adaptive(effort: Effort, limits: &Limits, unset: ThinkingConfig, notes: &mut Notes) -> ThinkingConfig {
    if effort == Effort::None && limits.thinking_off {
        return ThinkingConfig { mode: Some(Thinking::Disabled), ..unset };
    }
    let effort = match effort {
        Effort::None => {
            notes.add(FIELD, "became low: the model cannot stop thinking");
            return ThinkingConfig { effort: Some(Effort::Low), ..unset };
        }
        Effort::Minimal => Effort::Low,
        Effort::Xhigh | Effort::Max if !limits.efforts.contains(&effort) => {
            notes.add(FIELD, "became high, the most the model knows");
            Effort::High
        }
        Effort::Low | Effort::Medium | Effort::High | Effort::Xhigh | Effort::Max => effort,
    };
    ThinkingConfig { mode: Some(Thinking::Adaptive), effort: Some(effort), ..unset }
}

/// Returns a token budget for the effort. Thinking counts towards `max_tokens`, so the budget is added to it.
fn budgeted(
    chat: &Chat,
    effort: Effort,
    limits: &Limits,
    unset: ThinkingConfig,
    notes: &mut Notes,
) -> ThinkingConfig {
    let budget_tokens = match effort {
        Effort::None => return unset,
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::Xhigh => 8192,
        Effort::Max => 16_384,
    };
    let max_tokens = unset.max_tokens.saturating_add(budget_tokens).min(limits.max_tokens);
    if budget_tokens >= max_tokens {
        notes.add(FIELD, "dropped: the model generates too few tokens to think");
        return unset;
    }
    if chat.max_tokens.is_some() && max_tokens > unset.max_tokens {
        notes.add("max_tokens", format!("raised to {max_tokens} to leave room for thinking"));
    }
    ThinkingConfig { mode: Some(Thinking::Enabled { budget_tokens }), effort: None, max_tokens }
}
