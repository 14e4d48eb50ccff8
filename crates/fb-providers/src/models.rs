use fb_core::Capabilities;

/// Context windows of known models by name prefix, in tokens of prompt and answer together. The first match wins.
///
/// As of November 2026. Other models have an unknown window: they are tried, and come last after another model rejected
/// a prompt as too long.
const WINDOWS: &[(&str, u64)] = &[
    ("gpt-6", 922_000),
    ("gpt-5.6", 922_000),
    ("gpt-5-mini", 272_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("claude-opus-5", 1_000_000),
    ("claude-sonnet-5", 1_000_000),
    ("claude-haiku-5", 1_000_000),
    ("claude-sonnet-4-6", 1_000_000),
    ("claude-haiku-4-5", 200_000),
    ("gemini-3", 1_048_576),
    ("gemini-2.5", 1_048_576),
    ("mistral-large", 262_144),
    ("deepseek-flash", 1_000_000),
    ("gpt-oss-120b", 131_072),
    ("grok-4.5", 500_000),
    ("command-a", 256_000),
];

/// Returns the capabilities of a hosted model by its name; a vendor before a slash is ignored.
pub(crate) fn capabilities(model: &str) -> Capabilities {
    let name = model.rsplit('/').next().unwrap_or(model);
    let window = WINDOWS.iter().find(|(prefix, _)| name.starts_with(prefix));
    Capabilities { context: window.map(|(_, tokens)| *tokens), ..Capabilities::default() }
}

/// Models that think before they answer unless a request turns that off, by name prefix.
const THINKING: &[&str] = &[
    "o1",
    "o3",
    "o4",
    "gpt-5",
    "gpt-6",
    "gemini-2.5-pro",
    "gemini-3",
    "grok-4",
    "deepseek-r",
    "magistral",
    "qwq",
    "kimi-k2-thinking",
];
/// Exceptions from [`THINKING`].
const ANSWERS_AT_ONCE: &[&str] = &["gpt-5-chat", "grok-4-fast-non-reasoning", "grok-4-1-fast-non-reasoning"];

/// Returns true if a model is known to think before it answers; a vendor before a slash is ignored.
pub fn is_thinking_model(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let is_among = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    is_among(THINKING) && !is_among(ANSWERS_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_models_are_found_by_name_prefix() {
        let models = ["o3-mini", "openai/gpt-6.1-sol", "gpt-5-chat-latest", "gpt-4o", "claude-sonnet-5"];
        assert_eq!(models.map(is_thinking_model), [true, true, false, false, false]);
    }

    #[test]
    fn windows_are_found_by_name_prefix() {
        assert_eq!(capabilities("gpt-6.1-sol").context, Some(922_000));
        assert_eq!(capabilities("openai/gpt-oss-120b").context, Some(131_072));
        assert_eq!(capabilities("claude-haiku-4-5-20251001").context, Some(200_000));
        assert_eq!(capabilities("llama3.2").context, None);
    }
}
