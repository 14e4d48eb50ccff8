use std::borrow::Cow;

/// Beginnings of the keys and tokens that providers give out.
const PREFIXES: [&str; 20] = [
    "sk-", "sk_", "pk-", "csk-", "gsk_", "xai-", "AIza", "r8_", "hf_", "tgp_", "fw_", "nvapi-", "pplx-",
    "AKIA", "ASIA", "ya29.", "ghp_", "gho_", "glpat-", "eyJ",
];

/// Shortest word that is taken for a key by its beginning, or by its digits behind an unmistakable name.
const MIN_KEY: usize = 8;
/// Shortest word that is taken for a secret by its name alone.
const MIN_SECRET: usize = 16;
/// Shortest run of nothing but letters that is taken for a secret behind any name; no word of prose is as long.
const MIN_LETTERS: usize = 24;

/// How surely the words before announce a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// Not at all.
    No,
    /// `key` and `token` also name fields and limits.
    Maybe,
    /// `api-key`, `Bearer`, `Basic`, `Authorization`, `password` and `secret`.
    Surely,
}

/// Replaces what looks like a credential by `[redacted]`.
///
/// That is a word that begins as keys do (`sk-…`, `gsk_…`, `AIza…`, `eyJ…`); behind `api-key`, `Bearer`, `Basic`,
/// `Authorization`, `password` or `secret` any long word and a short one with digits; behind another `key` or
/// `token` a long one with digits or without end; and a masked one (`ab***yz`) behind any of these. Names of fields
/// and models stay, unless they stand where a key would. Secrets nothing announces are not found.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    let (mut named, mut before) = (Named::No, "");
    while let Some((from, end_of_word)) = word(text, at) {
        let word = &text[from..end_of_word];
        let end = if named == Named::No { end_of_word } else { end_of_base64(text, end_of_word) };
        if is_secret(&text[from..end], named) {
            out.push_str(&text[kept..from]);
            out.push_str("[redacted]");
            (kept, at, named) = (end, end, Named::No);
        } else {
            named = announced(word, before, named);
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

/// What a word says about the next.
fn announced(word: &str, before: &str, named: Named) -> Named {
    const SURELY: [&str; 9] =
        ["api-key", "api_key", "apikey", "api.key", "bearer", "basic", "authorization", "password", "secret"];
    let lower = word.to_ascii_lowercase();
    let is_api_key = lower == "key" && before.eq_ignore_ascii_case("api");
    if is_api_key || SURELY.iter().any(|name| lower.ends_with(name)) {
        Named::Surely
    } else if lower.ends_with("key") || lower.ends_with("token") {
        named.max(Named::Maybe)
    } else if lower.len() < 4 || ["provided", "header", "value"].contains(&&*lower) {
        // "API key provided: …", "the key is …".
        named
    } else {
        Named::No
    }
}

fn is_secret(word: &str, named: Named) -> bool {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_masked = word.contains("***");
    let has_prefix = word.len() >= MIN_KEY && PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    has_prefix
        || match named {
            Named::No => false,
            Named::Maybe => {
                let is_endless =
                    word.len() >= MIN_LETTERS && word.bytes().all(|byte| byte.is_ascii_alphabetic());
                is_masked || (word.len() >= MIN_SECRET && has_digit) || is_endless
            }
            Named::Surely => is_masked || word.len() >= MIN_SECRET || (word.len() >= MIN_KEY && has_digit),
        }
}

/// The next run of the characters that keys are made of.
fn word(text: &str, at: usize) -> Option<(usize, usize)> {
    let from = at + text[at..].find(is_of_key)?;
    let to = text[from..].find(|c| !is_of_key(c)).map_or(text.len(), |end| from + end);
    Some((from, to))
}

const fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '~')
}

/// Where a word ends to which slashes and padding belong too; elsewhere they part the words of paths and queries.
fn end_of_base64(text: &str, at: usize) -> usize {
    text[at..].find(|c| !(is_of_key(c) || matches!(c, '/' | '='))).map_or(text.len(), |end| at + end)
}
