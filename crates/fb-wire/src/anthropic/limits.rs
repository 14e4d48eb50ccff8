use fb_core::Effort::{self, High, Low, Max, Medium, Xhigh};

/// The features of the dialect that a model accepts.
///
/// A request that exceeds them is reduced with a note, or refused; see [`encode`](super::encode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent ability")]
pub struct Limits {
    /// The `max_tokens` sent if the caller sets none, since the dialect requires the field.
    pub default_max_tokens: u32,
    /// Maximum number of generated tokens; a larger request is reduced to it.
    pub max_tokens: u32,
    /// `temperature`, `top_p` and `top_k` are accepted.
    pub sampling: bool,
    /// `tool_choice` can force a tool.
    pub forced_tools: bool,
    /// Thinking can be turned off.
    pub thinking_off: bool,
    /// The model decides how long it thinks; otherwise thinking requires a token budget.
    pub adaptive_thinking: bool,
    /// The accepted values of `output_config.effort`.
    pub efforts: &'static [Effort],
    /// Answers can be constrained by a JSON schema.
    pub json_schema: bool,
    /// The model continues an assistant message at the end of the conversation.
    pub prefill: bool,
    /// System messages are accepted inside the conversation.
    pub mid_system: bool,
}

/// The maximum that Anthropic's SDKs allow without streaming: more may take longer than ten minutes.
const MAX_WITHOUT_STREAM: u32 = 21_333;

/// Opus 5.5, Sonnet 5.5 and Fable always think.
const ALWAYS_THINKING: Limits = Limits {
    default_max_tokens: MAX_WITHOUT_STREAM,
    max_tokens: 128_000,
    sampling: false,
    forced_tools: false,
    thinking_off: false,
    adaptive_thinking: true,
    efforts: &[Low, Medium, High, Xhigh, Max],
    json_schema: true,
    prefill: false,
    mid_system: true,
};

const GENERATION_5: Limits = Limits { forced_tools: true, thinking_off: true, ..ALWAYS_THINKING };

const GENERATION_4_7: Limits = Limits { mid_system: false, ..GENERATION_5 };

const GENERATION_4_6: Limits =
    Limits { sampling: true, efforts: &[Low, Medium, High, Max], ..GENERATION_4_7 };

const GENERATION_4_5: Limits =
    Limits { max_tokens: 64_000, adaptive_thinking: false, efforts: &[], prefill: true, ..GENERATION_4_6 };

const OPUS_4_1: Limits = Limits { max_tokens: 32_000, ..GENERATION_4_5 };

/// An unknown model may be another vendor's behind the same protocol. All features are tried except system messages
/// inside the conversation, which user text replaces without risk.
const UNKNOWN: Limits = Limits {
    default_max_tokens: 4096,
    max_tokens: u32::MAX,
    sampling: true,
    forced_tools: true,
    thinking_off: true,
    adaptive_thinking: true,
    efforts: &[Low, Medium, High],
    json_schema: true,
    prefill: true,
    mid_system: false,
};

/// Limits by the part of the name after `claude-`; the first match wins.
const MODELS: &[(&str, Limits)] = &[
    ("opus-5-5", ALWAYS_THINKING),
    ("sonnet-5-5", ALWAYS_THINKING),
    ("fable", ALWAYS_THINKING),
    ("haiku-5", GENERATION_5),
    ("opus-5", GENERATION_5),
    ("sonnet-5", GENERATION_5),
    ("opus-4-8", GENERATION_5),
    ("opus-4-7", GENERATION_4_7),
    ("opus-4-6", GENERATION_4_6),
    ("sonnet-4-6", GENERATION_4_6),
    ("opus-4-5", GENERATION_4_5),
    ("sonnet-4-5", GENERATION_4_5),
    ("haiku-4-5", GENERATION_4_5),
    ("opus-4-1", OPUS_4_1),
    ("opus-4", Limits { json_schema: false, ..OPUS_4_1 }),
    ("sonnet-4", Limits { json_schema: false, ..GENERATION_4_5 }),
];

impl Limits {
    /// Returns the limits of a model by its name, which may be part of a longer one
    /// (`us.anthropic.claude-opus-5-5-v1:0`).
    ///
    /// An unknown model accepts almost everything, with 4096 tokens if the caller sets no maximum.
    pub fn for_model(model: &str) -> Self {
        Self::known(model).unwrap_or(UNKNOWN)
    }

    /// Returns the limits of a known model, as [`for_model`](Self::for_model) does.
    pub fn known(model: &str) -> Option<Self> {
        let name = model.to_ascii_lowercase().replace('.', "-");
        let (_, name) = name.split_once("claude-")?;
        let matches = |prefix: &str| {
            name.strip_prefix(prefix).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        MODELS.iter().find(|(prefix, _)| matches(prefix)).map(|(_, limits)| *limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_matching_row_wins() {
        for (model, limits) in [
            ("claude-opus-5-5", ALWAYS_THINKING),
            ("claude-opus-5-5-20261001", ALWAYS_THINKING),
            ("us.anthropic.claude-sonnet-5-5-v1:0", ALWAYS_THINKING),
            ("claude-fable-5-1", ALWAYS_THINKING),
            ("claude-haiku-5-5", GENERATION_5),
            ("claude-sonnet-5", GENERATION_5),
            ("claude-opus-4-8", GENERATION_5),
            ("claude-opus-4.7", GENERATION_4_7),
            ("claude-sonnet-4-6", GENERATION_4_6),
            ("claude-haiku-4-5-20251001", GENERATION_4_5),
            ("claude-opus-4-1", OPUS_4_1),
            ("claude-opus-4-20250514", Limits { json_schema: false, ..OPUS_4_1 }),
            ("claude-opus-50", UNKNOWN),
            ("minimax-m3", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(Limits::for_model(model), limits, "{model}");
        }
    }
}
