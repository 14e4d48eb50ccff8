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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_found_by_name_prefix() {
        assert_eq!(capabilities("gpt-6.1-sol").context, Some(922_000));
        assert_eq!(capabilities("openai/gpt-oss-120b").context, Some(131_072));
        assert_eq!(capabilities("claude-haiku-4-5-20251001").context, Some(200_000));
        assert_eq!(capabilities("llama3.2").context, None);
    }
}
