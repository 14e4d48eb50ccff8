//! How much the model is asked to think.

use fb_core::{Chat, Effort};

use super::{Notes, body::Thinking, messages::Conversation};
use crate::anthropic::Limits;

/// What the body says about thinking.
#[derive(Clone, Copy)]
pub(super) struct Thought {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<Effort>,
    /// Most tokens to generate, thinking included.
    pub(super) max_tokens: u32,
}

impl Thought {
    pub(super) const fn is_on(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Adaptive | Thinking::Enabled { .. }))
    }
}

const FIELD: &str = "reasoning_effort";

pub(super) fn decide(
    chat: &Chat,
    limits: &Limits,
    conversation: &Conversation<'_>,
    max_tokens: u32,
    notes: &mut Notes,
) -> Thought {
    let nothing = Thought { thinking: None, effort: None, max_tokens };
    match chat.effort {
        Some(effort) if limits.adaptive_thinking => adaptive(effort, limits, nothing, notes),
        None | Some(Effort::None) => nothing,
        Some(_) if conversation.calls_tools_unthought() => {
            notes.add(
                FIELD,
                "dropped: the model must not begin to think between a tool's call and its result",
            );
            nothing
        }
        Some(effort) => budgeted(chat, effort, limits, nothing, notes),
    }
}

fn adaptive(effort: Effort, limits: &Limits, nothing: Thought, notes: &mut Notes) -> Thought {
    if effort == Effort::None && limits.thinking_off {
        return Thought { thinking: Some(Thinking::Disabled), ..nothing };
    }
    let word = match effort {
        Effort::None => {
            notes.add(FIELD, "became low: the model cannot stop thinking");
            return Thought { effort: Some(Effort::Low), ..nothing };
        }
        Effort::Minimal => Effort::Low,
        Effort::Xhigh | Effort::Max if !limits.efforts.contains(&effort) => {
            notes.add(FIELD, "became high, the most the model knows");
            Effort::High
        }
        Effort::Low | Effort::Medium | Effort::High | Effort::Xhigh | Effort::Max => effort,
    };
    Thought { thinking: Some(Thinking::Adaptive), effort: Some(word), ..nothing }
}

/// Thinking counts towards `max_tokens` here, so its budget is added on top.
fn budgeted(chat: &Chat, effort: Effort, limits: &Limits, nothing: Thought, notes: &mut Notes) -> Thought {
    let budget_tokens = match effort {
        Effort::None => return nothing,
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::Xhigh => 8192,
        Effort::Max => 16_384,
    };
    let max_tokens = nothing.max_tokens.saturating_add(budget_tokens).min(limits.max_tokens);
    if budget_tokens >= max_tokens {
        notes.add(FIELD, "dropped: the model generates too few tokens to think");
        return nothing;
    }
    if chat.max_tokens.is_some() && max_tokens > nothing.max_tokens {
        notes.add("max_tokens", format!("raised to {max_tokens} to leave room for thinking"));
    }
    Thought { thinking: Some(Thinking::Enabled { budget_tokens }), effort: None, max_tokens }
}
