use std::borrow::Cow;

/// Prefixes of the keys and tokens that providers issue.
const PREFIXES: [&str; 20] = [
    "sk-", "sk_", "pk-", "csk-", "gsk_", "xai-", "AIza", "r8_", "hf_", "tgp_", "fw_", "nvapi-", "pplx-",
    "AKIA", "ASIA", "ya29.", "ghp_", "gho_", "glpat-", "eyJ",
];

/// Minimum length of a secret that has a key prefix, or contains digits and follows a [`Context::Certain`] name.
const MIN_KEY: usize = 8;
/// Minimum length of a secret that only the name before it identifies.
const MIN_SECRET: usize = 16;
/// Minimum length of a secret of letters only; words of prose are shorter.
const MIN_LETTERS: usize = 24;

/// The likelihood, given the words before, that the next word is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Context {
    None,
    /// After `key` or `token`, which also occur in names of fields and limits.
    Possible,
    /// After `api-key`, `Bearer`, `Basic`, `Authorization`, `password` or `secret`.
    Certain,
}

/// Replaces likely credentials by `[redacted]`.
///
/// These are words with a known key prefix (`sk-…`, `gsk_…`, `AIza…`, `eyJ…`); after `api-key`, `Bearer`, `Basic`,
/// `Authorization`, `password` or `secret`, long words and shorter ones with digits; after another `key` or `token`,
/// long words with digits and very long ones; and masked words (`ab***yz`) after any of these. Names of fields and
/// models are kept, unless they are in the position of a key. Secrets without a prefix or a name before them are not
/// detected.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    let (mut context, mut before) = (Context::None, "");
    while let Some((from, end_of_word)) = word(text, at) {
        let word = &text[from..end_of_word];
        let end = if context == Context::None { end_of_word } else { end_of_base64(text, end_of_word) };
        if is_secret(&text[from..end], context) {
            out.push_str(&text[kept..from]);
            out.push_str("[redacted]");
            (kept, at, context) = (end, end, Context::None);
        } else {
            context = next_context(word, before, context);
            at = end_of_word;
        }
        before = word;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// Returns the context for the word after `word`.
fn next_context(word: &str, before: &str, context: Context) -> Context {
    const CERTAIN: [&str; 9] =
        ["api-key", "api_key", "apikey", "api.key", "bearer", "basic", "authorization", "password", "secret"];
    let lower = word.to_ascii_lowercase();
    let is_api_key = lower == "key" && before.eq_ignore_ascii_case("api");
    if is_api_key || CERTAIN.iter().any(|name| lower.ends_with(name)) {
        Context::Certain
    } else if lower.ends_with("key") || lower.ends_with("token") {
        context.max(Context::Possible)
    } else if lower.len() < 4 || ["provided", "header", "value"].contains(&&*lower) {
        // "API key provided: …", "the key is …".
        context
    } else {
        Context::None
    }
}

fn is_secret(word: &str, context: Context) -> bool {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_masked = word.contains("***");
    let has_prefix = word.len() >= MIN_KEY && PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    has_prefix
        || match context {
            Context::None => false,
            Context::Possible => {
                let is_very_long =
                    word.len() >= MIN_LETTERS && word.bytes().all(|byte| byte.is_ascii_alphabetic());
                is_masked || (word.len() >= MIN_SECRET && has_digit) || is_very_long
            }
            Context::Certain => is_masked || word.len() >= MIN_SECRET || (word.len() >= MIN_KEY && has_digit),
        }
}

/// Returns the range of the next run of key characters.
fn word(text: &str, at: usize) -> Option<(usize, usize)> {
    let from = at + text[at..].find(is_key_char)?;
    let to = text[from..].find(|c| !is_key_char(c)).map_or(text.len(), |end| from + end);
    Some((from, to))
}

const fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '~')
}

/// Returns the end of a word in base64, which includes slashes and padding. Elsewhere these separate words.
fn end_of_base64(text: &str, at: usize) -> usize {
    text[at..].find(|c| !(is_key_char(c) || matches!(c, '/' | '='))).map_or(text.len(), |end| at + end)
}
