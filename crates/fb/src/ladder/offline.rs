use std::time::Duration;

use fb_core::{ChatRequest, Failure, FailureKind, Part, Reply, Role};

use super::config::OfflineConfig;

/// Words that make any message a greeting.
const GREETING_WORDS: [&str; 3] = ["hello", "hi", "hey"];
/// Messages that are a greeting as a whole, without punctuation.
const GREETINGS: [&str; 10] = [
    "good morning",
    "good afternoon",
    "good evening",
    "hallo",
    "moin",
    "servus",
    "guten tag",
    "bonjour",
    "hola",
    "ciao",
];

/// The error that a fixed answer replaces.
pub(crate) struct OfflineCause<'a> {
    /// The code of the error.
    pub(crate) code: &'a str,
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) retry_after: Option<Duration>,
}

impl OfflineConfig {
    /// Returns the fixed answer to a request.
    pub(crate) fn reply(&self, request: &ChatRequest, cause: &OfflineCause<'_>) -> Reply {
        let wait = match cause.retry_after {
            Some(wait) => format!("{} s", wait.as_secs_f64().ceil()),
            None => "a moment".to_owned(),
        };
        let template = self.template(request, cause);
        let text = template.replace("{reason}", cause.code).replace("{retry_after}", &wait);
        Reply { text, model: Some("static".to_owned()), ..Reply::default() }
    }

    fn template(&self, request: &ChatRequest, cause: &OfflineCause<'_>) -> &str {
        let message = last_user_text(request);
        let is_message = |text: &str| message.trim().eq_ignore_ascii_case(text.trim());
        if let Some((_, answer)) = self.pinned.iter().find(|(text, _)| is_message(text)) {
            return answer;
        }
        let category = request.options().category.as_deref();
        if let Some(answer) = category.and_then(|category| self.category(category)) {
            return answer;
        }
        if is_greeting(&message) {
            return &self.greeting;
        }
        let is_throttling = |failure: &Failure| {
            matches!(failure.kind(), FailureKind::RateLimited | FailureKind::QuotaExhausted)
        };
        if cause.failure.is_some_and(is_throttling) {
            return &self.busy;
        }
        &self.general
    }

    fn category(&self, name: &str) -> Option<&str> {
        Some(match name {
            "general" => &self.general,
            "busy" => &self.busy,
            "greeting" => &self.greeting,
            "support" => &self.support,
            "search" => &self.search,
            other => self.custom.get(other)?,
        })
    }
}

/// Returns true for a message with `hello`, `hi` or `hey` as a whole word, or that is another greeting as a whole.
fn is_greeting(message: &str) -> bool {
    let is_in =
        |greetings: &[&str], text: &str| greetings.iter().any(|greeting| text.eq_ignore_ascii_case(greeting));
    let mut words = message.split(|letter: char| !letter.is_alphanumeric());
    let whole = message.trim_matches(|letter: char| !letter.is_alphanumeric());
    words.any(|word| is_in(&GREETING_WORDS, word)) || is_in(&GREETINGS, whole)
}

/// Returns the text of the user's last message; empty if the request cannot be parsed.
fn last_user_text(request: &ChatRequest) -> String {
    let Ok(chat) = request.chat() else { return String::new() };
    let last = chat.messages.iter().rev().find(|message| message.role == Role::User);
    let texts = last.into_iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use fb_core::Options;

    use super::*;

    fn answer(config: &OfflineConfig, text: &str, category: Option<&str>, kind: FailureKind) -> String {
        let options = Options { category: category.map(str::to_owned), ..Options::default() };
        let request = ChatRequest::user(text).with_options(options);
        let failure = Failure::new(kind, "no");
        let cause = OfflineCause {
            code: kind.name(),
            failure: Some(&failure),
            retry_after: Some(Duration::from_millis(1_200)),
        };
        config.reply(&request, &cause).text
    }

    #[test]
    fn answer_depends_on_message_then_category_then_cause() {
        use FailureKind::{Connect, RateLimited};
        let text = |text: &str| text.to_owned();
        let config = OfflineConfig {
            general: text("general {reason} {retry_after}"),
            busy: text("busy"),
            greeting: text("greeting"),
            support: text("support"),
            search: text("search"),
            custom: [(text("billing"), text("billing"))].into(),
            pinned: [(text("Opening hours?"), text("9 to 5"))].into(),
        };
        for (message, category, kind, expected) in [
            ("What is Rust?", None, Connect, "general connect 2 s"),
            ("What is Rust?", None, RateLimited, "busy"),
            ("Hello!", None, Connect, "greeting"),
            (" good MORNING ", None, Connect, "greeting"),
            ("Hello, what is Rust?", None, Connect, "greeting"),
            ("hi there, can you help me?", None, RateLimited, "greeting"),
            ("They said hey.", None, Connect, "greeting"),
            ("Hello", None, RateLimited, "greeting"),
            ("Is this high?", None, Connect, "general connect 2 s"),
            ("Good morning, what is Rust?", None, RateLimited, "busy"),
            ("Hello", Some("support"), RateLimited, "support"),
            ("Hello", Some("billing"), Connect, "billing"),
            ("What is Rust?", Some("unknown"), Connect, "general connect 2 s"),
            ("opening hours? ", Some("support"), Connect, "9 to 5"),
        ] {
            assert_eq!(answer(&config, message, category, kind), expected, "{message} {category:?}");
        }
    }
}
