//! Positions of config errors in the file.

use std::{fmt, ops::Range};

use fb::InvalidConfig;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A config error with its position in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Line, from 1; 0 if the position is unknown.
    pub line: usize,
    /// Column, from 1; 0 if the position is unknown.
    pub column: usize,
    /// The field, its value, and the expected values.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, " {}", self.message),
            (line, column) => write!(f, "{line}:{column}  {}", self.message),
        }
    }
}

/// A parsed config with the position of every value.
pub(super) struct Document<'a> {
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Vec<ConfigError>> {
        let at = |error: &toml::de::Error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            vec![ConfigError { line, column, message: error.message().to_owned() }]
        };
        let root = DeTable::parse(text).map_err(|error| at(&error))?;
        Ok(Self { text, root })
    }

    /// Converts an error of the parser. Only its message is used: its full text repeats the line, which may contain a
    /// secret.
    pub(super) fn type_error(&self, error: &toml::de::Error) -> ConfigError {
        let start = error.span().map_or(0, |span| span.start);
        let (line, column) = position(self.text, start);
        let mut path = String::new();
        field_at(self.root.get_ref(), start, &mut path);
        let message = error.message();
        let message = if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
        ConfigError { line, column, message }
    }

    /// Adds the position of an invalid value: that of the longest part of its path that is in the file.
    pub(super) fn locate(&self, problem: &InvalidConfig) -> ConfigError {
        let InvalidConfig { field, value, expected, .. } = problem;
        let message = format!("{field} = {value}   {expected}");
        match find(self.root.get_ref(), field) {
            Some(span) => {
                let (line, column) = position(self.text, span.start);
                ConfigError { line, column, message }
            }
            None => ConfigError { line: 0, column: 0, message },
        }
    }
}

/// Returns the line and column of a byte, both from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    (line, column)
}

/// Appends the path of the innermost value that contains the byte.
fn field_at(table: &DeTable<'_>, byte: usize, path: &mut String) {
    for (key, value) in table {
        // An unknown field is reported at its key.
        if key.span().contains(&byte) || contains(value, byte) {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key.get_ref());
            return field_in(value.get_ref(), byte, path);
        }
    }
}

fn field_in(value: &DeValue<'_>, byte: usize, path: &mut String) {
    match value {
        DeValue::Table(table) => field_at(table, byte, path),
        DeValue::Array(items) => {
            if let Some(index) = items.iter().position(|item| contains(item, byte)) {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                if let Some(item) = items.get(index) {
                    field_in(item.get_ref(), byte, path);
                }
            }
        }
        _ => {}
    }
}

/// Returns whether a value contains the byte. The span of a `[table]` ends with its header, so its values are checked
/// too.
fn contains(value: &Spanned<DeValue<'_>>, byte: usize) -> bool {
    value.span().contains(&byte)
        || match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().any(|(key, value)| key.span().contains(&byte) || contains(value, byte))
            }
            DeValue::Array(items) => items.iter().any(|item| contains(item, byte)),
            _ => false,
        }
}

/// Returns the span of the value at a path such as `routes.default.targets[1].provider`, or of the longest part of the
/// path that exists.
fn find(table: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    // Names may contain dots, so the longest key that the path begins with is taken.
    let (key, value) = table
        .iter()
        .filter(|(key, _)| {
            path.strip_prefix(key.get_ref().as_ref())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
        .max_by_key(|(key, _)| key.get_ref().len())?;
    let rest = &path[key.get_ref().len()..];
    let inner = find_in(value.get_ref(), rest);
    Some(inner.unwrap_or_else(|| match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) => key.span(),
        _ => value.span(),
    }))
}

fn find_in(value: &DeValue<'_>, rest: &str) -> Option<Range<usize>> {
    if let Some(field) = rest.strip_prefix('.') {
        return match value {
            DeValue::Table(table) => find(table, field),
            _ => None,
        };
    }
    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let DeValue::Array(items) = value else { return None };
    let item = items.get(index.parse::<usize>().ok()?)?;
    Some(find_in(item.get_ref(), rest).unwrap_or_else(|| item.span()))
}

#[cfg(test)]
mod tests;
