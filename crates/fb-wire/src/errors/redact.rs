use std::borrow::Cow;

/// Shortest word that may be a secret.
const MIN_SECRET: usize = 16;

/// Replaces what looks like a credential by `[redacted]`: words that begin as keys do (`sk-…`, `gsk_…`, `xai-…`,
/// `AIza…`), and long words of letters and digits behind `Bearer`, `key`, `token` or `secret`.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut named = false;
    for (from, to) in words(text) {
        let word = &text[from..to];
        if is_secret(word, named) {
            out.push_str(&text[kept..from]);
            out.push_str("[redacted]");
            kept = to;
        }
        let lower = word.to_ascii_lowercase();
        let names = ["bearer", "key", "token", "secret", "authorization", "password", "provided", "basic"];
        named = names.iter().any(|name| lower.ends_with(name)) || (named && word.len() < 4);
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

fn is_secret(word: &str, named: bool) -> bool {
    const PREFIXES: [&str; 12] =
        ["sk-", "sk_", "pk-", "gsk_", "xai-", "AIza", "r8_", "hf_", "tgp_", "fw_", "csk-", "nvapi-"];
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let masked = word.contains("***");
    (word.len() >= 8 && PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
        || (named && (masked || (word.len() >= MIN_SECRET && digits > 0)))
}

/// Runs of the characters keys are made of.
fn words(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '~');
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = at + text[at..].find(is_word)?;
        let to = text[from..].find(|c| !is_word(c)).map_or(text.len(), |end| from + end);
        at = to;
        Some((from, to))
    })
}
