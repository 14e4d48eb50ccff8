//! The cost-aware router (row 17): complexity classes, and what they save.

use std::process::Stdio;

use expect_test::expect;
use fb::{Complexity, ComplexityRules, Signals};
use tokio::process::Command;

use crate::harness::{TempDir, prepared};

/// Example queries and their classes.
const EXAMPLES: [(&str, Complexity); 5] = [
    ("What is a mutex?", Complexity::Simple),
    ("Compare row stores and column stores for reporting", Complexity::Complex),
    ("Translate 'good morning' to Finnish", Complexity::Simple),
    ("Debug this parser and explain why it never ends", Complexity::Complex),
    ("List three sorting algorithms", Complexity::Simple),
];

/// One query for every signal, and queries without one or with one of each class.
const SIGNALS: [(&str, Complexity); 19] = [
    ("analyze it", Complexity::Complex),
    ("Compare Rust and Go", Complexity::Complex),
    ("Explain why the sky is blue", Complexity::Complex),
    ("the trade-offs, please", Complexity::Complex),
    ("a good architecture?", Complexity::Complex),
    ("Design a cache", Complexity::Complex),
    ("debug this", Complexity::Complex),
    ("Review my essay", Complexity::Complex),
    ("what is it", Complexity::Simple),
    ("define it", Complexity::Simple),
    ("list them", Complexity::Simple),
    ("how to swim", Complexity::Simple),
    ("translate it", Complexity::Simple),
    ("summarize it", Complexity::Simple),
    ("format it", Complexity::Simple),
    ("hello", Complexity::Moderate),
    ("Write a poem about the sea", Complexity::Moderate),
    ("What is a good design?", Complexity::Complex),
    ("Summarize, then review", Complexity::Complex),
];

#[test]
fn preset_brief_classifies_the_examples() {
    let rules = ComplexityRules::brief();
    for (query, expected) in EXAMPLES.into_iter().chain(SIGNALS) {
        let (class, evidence) = rules.explain(&Signals::from_text(query));
        assert_eq!(class, expected, "{query}: {evidence}");
    }
}

#[test]
fn complex_signals_win_over_length_by_default() {
    let rules = ComplexityRules::default();
    let complex = |(_, class): &(&str, Complexity)| *class == Complexity::Complex;
    for (query, expected) in EXAMPLES.into_iter().chain(SIGNALS).filter(complex) {
        let (class, evidence) = rules.explain(&Signals::from_text(query));
        assert_eq!(class, expected, "{query}: {evidence}");
    }
}

const CONFIG: &str = r#"
[providers.anthropic]
kind = "anthropic"
api_key = { env = "ANTHROPIC_API_KEY" }

[providers.openai]
kind = "openai"
api_key = { env = "OPENAI_API_KEY" }

[routes.default]
classes = { simple = "simple", moderate = "moderate", complex = "complex" }
complexity = "brief"
targets = [{ provider = "anthropic", model = "claude-sonnet", price = { input = 3.0, output = 15.0 } }]

[routes.complex]
targets = [{ provider = "anthropic", model = "claude-sonnet", price = { input = 3.0, output = 15.0 } }]

[routes.moderate]
targets = [{ provider = "openai", model = "gpt-4o", price = { input = 2.5, output = 10.0 } }]

[routes.simple]
targets = [{ provider = "openai", model = "gpt-4o-mini", price = { input = 0.15, output = 0.6 } }]
"#;

/// A thousand tokens in and a thousand out cost 0.018, 0.0125 and 0.00075 dollars at these models.
#[tokio::test]
async fn savings_of_the_examples_are_57_5_percent() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let dir = TempDir::new();
    dir.write("fb.toml", CONFIG);
    let lines = EXAMPLES.map(|(query, _)| {
        format!("{{\"text\": \"{query}\", \"input_tokens\": 1000, \"output_tokens\": 1000}}\n")
    });
    dir.write("queries.jsonl", &lines.concat());
    let mut command = Command::new(fb);
    command.args(["savings", "--config", "fb.toml", "queries.jsonl"]).current_dir(&dir.0);
    let output = command.env_clear().stdin(Stdio::null()).output().await.unwrap();
    expect![[r#"
        class    target                   requests     cost  best model
        simple   openai/gpt-4o-mini              3  $0.0023     $0.0540
        complex  anthropic/claude-sonnet         2  $0.0360     $0.0360
        total                                    5  $0.0383     $0.0900

        routed $0.04, always best (anthropic/claude-sonnet) $0.09: 57.5 % saved
    "#]]
    .assert_eq(&String::from_utf8(output.stdout).unwrap());
}
