use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Classifier, Complexity, Signals};

/// Tells how hard a request is by what can be counted in it.
///
/// One signal of [`ComplexRules`] makes a request complex, whatever else it holds. What is not complex is simple by one
/// signal of [`SimpleRules`], if it declares no tools, wants no schema and shows no picture. The rest is moderate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// What makes a request complex.
    pub complex: ComplexRules,
    /// What makes one simple.
    pub simple: SimpleRules,
}

/// What makes a request complex: any of these, from so many on. A 0 switches a signal off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ComplexRules {
    /// Words of the latest message of the user; 200.
    pub words: u64,
    /// Tokens of the whole conversation; 4,000.
    pub tokens: u64,
    /// Blocks of code in the latest message; 1.
    pub code_blocks: u64,
    /// Questions in the latest message; 3.
    pub questions: u64,
    /// Messages of user and model; 12.
    pub turns: u64,
    /// Tools declared; 5.
    pub tools: u64,
    /// Pictures; 3.
    pub images: u64,
    /// Words and phrases in the latest message, in any case. Default: words such as `prove`, `refactor` and
    /// `step by step`.
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
                "compare and contrast",
                "debug",
                "derive",
                "in depth",
                "optimise",
                "optimize",
                "proof",
                "prove",
                "refactor",
                "root cause",
                "step by step",
                "step-by-step",
                "trade-off",
                "trade-offs",
            ]),
        }
    }
}

/// What makes a request simple: any of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimpleRules {
    /// At most so many words in the latest message of the user; 12. None at all with 0.
    pub words: u64,
    /// Words and phrases in the latest message, in any case. Default: phrases such as `what is` and `translate`.
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

/// What told how hard a request is. Displays as `words: 6` or `keyword "prove"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence<'a> {
    /// So many of something.
    Count {
        /// What was counted.
        of: &'static str,
        /// How many there are.
        count: u64,
    },
    /// A word or phrase of the rules, as it stands there.
    Keyword(&'a str),
    /// Nothing: no rule applied.
    None,
}

impl fmt::Display for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { of, count } => write!(f, "{of}: {count}"),
            Self::Keyword(keyword) => write!(f, "keyword {keyword:?}"),
            Self::None => f.write_str("no sign of either"),
        }
    }
}

impl Rules {
    /// How hard a request is, and the first sign that told.
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
        if let Some((of, count, _)) = counts.into_iter().find(|(_, count, from)| *from > 0 && count >= from) {
            return (Complexity::Complex, Evidence::Count { of, count });
        }
        let text = signals.text.to_lowercase();
        if let Some(keyword) = held(&text, &complex.keywords) {
            return (Complexity::Complex, Evidence::Keyword(keyword));
        }
        let is_bare = signals.tools == 0 && !signals.schema && signals.images == 0;
        if is_bare && (1..=self.simple.words).contains(&words) {
            return (Complexity::Simple, Evidence::Count { of: "words", count: words });
        }
        match held(&text, &self.simple.keywords).filter(|_| is_bare) {
            Some(keyword) => (Complexity::Simple, Evidence::Keyword(keyword)),
            None => (Complexity::Moderate, Evidence::None),
        }
    }
}

impl Classifier for Rules {
    fn classify(&self, signals: &Signals<'_>) -> Complexity {
        self.explain(signals).0
    }
}

/// The first of the keywords that the text, in lower case, holds as whole words: `improve` holds no `prove`.
fn held<'a>(text: &str, keywords: &'a [String]) -> Option<&'a str> {
    let whole = |keyword: &str| {
        text.match_indices(keyword).any(|(start, found)| {
            let (before, after) =
                (text[..start].chars().next_back(), text[start + found.len()..].chars().next());
            !found.is_empty() && ![before, after].into_iter().flatten().any(char::is_alphanumeric)
        })
    };
    keywords.iter().find(|keyword| whole(&keyword.to_lowercase())).map(String::as_str)
}
