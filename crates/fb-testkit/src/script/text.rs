use std::time::Duration;

/// The levels at which a script is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Providers,
    Steps,
    Words,
}

impl Split {
    const fn separator(self) -> char {
        match self {
            Self::Providers => '/',
            Self::Steps => ',',
            Self::Words => ' ',
        }
    }
}

/// Splits outside of quotes and parentheses. Empty parts are an error, except between words.
pub(super) fn split(text: &str, by: Split) -> Result<Vec<&str>, String> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("`)` without `(`")?,
            _ if depth == 0 && c == by.separator() => {
                parts.push(text[from..at].trim());
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    if quoted || depth > 0 {
        return Err(format!("no end of {}", if quoted { "`\"`" } else { "`(`" }));
    }
    parts.push(text[from..].trim());
    if by == Split::Words {
        parts.retain(|part| !part.is_empty());
    } else if parts.contains(&"") {
        return Err(format!("nothing before or after a {:?}", by.separator()));
    }
    Ok(parts)
}

/// Parses a duration such as `300ms`, `2s`, `1.5s`, `3min`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (count, unit) = text.split_at(unit);
    let seconds = match unit {
        "ms" => Some(0.001),
        "s" => Some(1.0),
        "min" => Some(60.0),
        _ => None,
    };
    let count: Option<f64> = count.parse().ok();
    let product = count.zip(seconds).map(|(count, seconds)| count * seconds);
    let time = product.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| format!("{text:?} is not a time; expected such as 300ms, 2s, 3min"))
}

/// Parses a text in quotes.
pub(super) fn unquote(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = inner.ok_or_else(|| format!("{text:?} is neither `tool` nor a text in quotes"))?;
    let mut chars = inner.chars();
    let mut out = String::with_capacity(inner.len());
    while let Some(c) = chars.next() {
        out.push(match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => '\n',
            ('\\', Some(same @ ('"' | '\\'))) => same,
            ('\\', other) => return Err(format!("an escape of {other:?}")),
            ('"', _) => return Err("a quote inside a text; write `\\\"`".to_owned()),
            (c, _) => c,
        });
    }
    Ok(out)
}
