//! The built-in classifier: counts and keywords against thresholds.

use std::{fmt, str::FromStr};

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};

use super::{
    class::{Classifier, Complexity},
    signals::Signals,
};

/// Classifies requests by counts and keywords.
///
/// A request is complex if any of the [`ComplexRules`] matches. Otherwise it is simple if any of the [`SimpleRules`]
/// matches and it has no tools, no JSON schema and no images. All other requests are moderate. [`brief`](Self::brief) is
/// a preset, which [`FromStr`] finds by name.
///
/// # Examples
///
/// ```
/// use fb_router::{Classifier, Complexity, Rules, Signals};
///
/// let rules = Rules::default();
/// assert_eq!(rules.classify(&Signals::from_text("what is 2 + 2?")), Complexity::Simple);
/// assert_eq!(rules.classify(&Signals::from_text("prove it")), Complexity::Complex);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The rules for complex requests.
    pub complex: ComplexRules,
    /// The rules for simple requests.
    pub simple: SimpleRules,
}

/// The minimum counts and the keywords that make a request complex; one match is enough. A count of 0 disables its
/// rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ComplexRules {
    /// Words in the latest user message. Defaults to 200.
    pub words: u64,
    /// Estimated tokens of the whole conversation. Defaults to 4,000.
    pub tokens: u64,
    /// Code blocks in the latest user message. Defaults to 1.
    pub code_blocks: u64,
    /// Questions in the latest user message. Defaults to 3.
    pub questions: u64,
    /// Messages of user and model. Defaults to 12.
    pub turns: u64,
    /// Tools declared. Defaults to 5.
    pub tools: u64,
    /// Images in the whole conversation. Defaults to 3.
    pub images: u64,
    /// Words and phrases in the latest user message, matched case-insensitively. Defaults to words such as
    /// `compare`, `design` and `prove`.
    pub keywords: Vec<String>,
}

impl Default for ComplexRules {
    fn default() -> Self {
        Self {
            words: 200,
            tokens: 4_000,
            code_blocks: 1,
            questions: 3,
            turns: 12,
            tools: 5,
            images: 3,
            keywords: owned(&[
                "algorithm",
                "analyse",
                "analyze",
                "architecture",
                "compare",
                "debug",
                "derive",
                "design",
                "explain why",
                "in depth",
                "optimise",
                "optimize",
                "proof",
                "prove",
                "refactor",
                "review",
                "root cause",
                "step by step",
                "step-by-step",
                "trade-off",
                "trade-offs",
            ]),
        }
    }
}

/// The maximum length and the keywords that make a request simple; one match is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SimpleRules {
    /// The maximum number of words in the latest user message. 0 disables the rule. Defaults to 12.
    pub words: u64,
    /// Words and phrases in the latest user message, matched case-insensitively. Defaults to phrases such as `what is`
    /// and `translate`.
    pub keywords: Vec<String>,
}

impl Default for SimpleRules {
    fn default() -> Self {
        let keywords = [
            "define",
            "how many",
            "spell",
            "translate",
            "what is",
            "what's",
            "when did",
            "where is",
            "who is",
        ];
        Self { words: 12, keywords: owned(&keywords) }
    }
}

fn owned(keywords: &[&str]) -> Vec<String> {
    keywords.iter().map(|keyword| (*keyword).to_owned()).collect()
}

/// The rule that decided the class of a request. Displays as `words: 6` or `keyword "prove"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence<'a> {
    /// A count that reached its threshold.
    Count {
        /// The name of the count, such as `words`.
        name: &'static str,
        /// The counted value.
        count: u64,
    },
    /// A keyword of the rules, as configured.
    Keyword(&'a str),
    /// No rule matched.
    None,
}

impl fmt::Display for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { name, count } => write!(f, "{name}: {count}"),
            Self::Keyword(keyword) => write!(f, "keyword {keyword:?}"),
            Self::None => f.write_str("no sign of either"),
        }
    }
}

impl Rules {
    /// Returns rules of keywords alone: no count matters, and a request without any keyword is moderate.
    ///
    /// Complex are `analyze`, `compare`, `explain why`, `trade-offs`, `architecture`, `design`, `debug this` and
    /// `review`; simple are `what is`, `define`, `list`, `how to`, `translate`, `summarize` and `format`.
    pub fn brief() -> Self {
        let complex = [
            "analyze",
            "compare",
            "explain why",
            "trade-offs",
            "architecture",
            "design",
            "debug this",
            "review",
        ];
        let simple = ["what is", "define", "list", "how to", "translate", "summarize", "format"];
        Self {
            complex: ComplexRules {
                words: 0,
                tokens: 0,
                code_blocks: 0,
                questions: 0,
                turns: 0,
                tools: 0,
                images: 0,
                keywords: owned(&complex),
            },
            simple: SimpleRules { words: 0, keywords: owned(&simple) },
        }
    }

    /// Returns the class of a request together with the first rule that matched.
    pub fn explain(&self, signals: &Signals<'_>) -> (Complexity, Evidence<'_>) {
        let words = signals.words();
        let complex = &self.complex;
        let counts = [
            ("words", words, complex.words),
            ("tokens", signals.tokens, complex.tokens),
            ("code blocks", signals.code_blocks(), complex.code_blocks),
            ("questions", signals.questions(), complex.questions),
            ("turns", signals.turns, complex.turns),
            ("tools", signals.tools, complex.tools),
            ("images", signals.images, complex.images),
        ];
        if let Some((name, count, _)) = counts.into_iter().find(|(_, count, min)| *min > 0 && count >= min) {
            return (Complexity::Complex, Evidence::Count { name, count });
        }
        let text = signals.text.to_lowercase();
        if let Some(keyword) = first_match(&text, &complex.keywords) {
            return (Complexity::Complex, Evidence::Keyword(keyword));
        }
        let is_bare = signals.tools == 0 && !signals.schema && signals.images == 0;
        if is_bare && (1..=self.simple.words).contains(&words) {
            return (Complexity::Simple, Evidence::Count { name: "words", count: words });
        }
        match first_match(&text, &self.simple.keywords).filter(|_| is_bare) {
            Some(keyword) => (Complexity::Simple, Evidence::Keyword(keyword)),
            None => (Complexity::Moderate, Evidence::None),
        }
    }
}

impl FromStr for Rules {
    type Err = InvalidConfig;

    /// Returns the preset of this name.
    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "brief" => Ok(Self::brief()),
            _ => Err(InvalidConfig::quoted("preset", name, "expected \"brief\"")),
        }
    }
}

impl Classifier for Rules {
    fn classify(&self, signals: &Signals<'_>) -> Complexity {
        self.explain(signals).0
    }
}

/// Returns the first keyword that occurs as whole words in the lower-case text: `improve` does not match `prove`.
fn first_match<'a>(text: &str, keywords: &'a [String]) -> Option<&'a str> {
    let occurs = |keyword: &str| {
        text.match_indices(keyword).any(|(start, found)| {
            let (before, after) =
                (text[..start].chars().next_back(), text[start + found.len()..].chars().next());
            !found.is_empty() && ![before, after].into_iter().flatten().any(char::is_alphanumeric)
        })
    };
    keywords.iter().find(|keyword| occurs(&keyword.to_lowercase())).map(String::as_str)
}

fb_core::with_changes!(ComplexRules, SimpleRules);
