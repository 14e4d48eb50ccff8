//! The property of the fuzz target, on a config with random edits.

#[path = "fuzz/properties.rs"]
mod properties;

use proptest::{collection::vec, prelude::*, sample::Index};

const SEED: &str = r#"
[providers.primary]
kind = "openai"
api_keys = [{ env = "A", weight = 2 }]
[providers.backup]
kind = "anthropic"
api_key = { file = "key" }
headers = { "x-team" = "a" }
[routes.default]
strategy = "hedged"
deadline = "60s"
targets = [{ provider = "primary", model = "m", timeout = "5s", price = { input = 1.0, output = 2.0 } }, { provider = "backup", model = "n" }]
[routes.default.cache]
fresh = "10m"
[tenants.acme]
key = { env = "ACME" }
usd_per_day = 10.5
[breaker]
window = { span = "1m", buckets = 12 }
[retry]
curve = "exponential"
jitter = "full"
[server]
listen = "127.0.0.1:8080"
"#;

/// Words that an edit may put into the config, besides single characters.
const WORDS: [&str; 12] = [
    "-1",
    "1e308",
    "\"\"",
    "0",
    "true",
    "\"10s\"",
    "[]",
    "{}",
    "\n[",
    "=",
    "99999999999999999999",
    "\"\u{fffd}\"",
];

#[test]
fn config_is_accepted_without_edits() {
    fb::Config::from_toml(SEED).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn edited_config_is_accepted_or_every_problem_is_named(
        edits in vec((any::<Index>(), 0..6_usize, 0..WORDS.len() * 2, any::<char>()), 0..4)
    ) {
        let mut text: Vec<char> = SEED.chars().collect();
        for (at, length, word, char) in edits {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            let with = WORDS.get(word).map_or_else(|| vec![char], |word| word.chars().collect());
            drop(text.splice(at..end, with));
        }
        properties::config(text.into_iter().collect::<String>().as_bytes());
    }
}
