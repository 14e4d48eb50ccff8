//! Bounded parsing of JSON from models and callers.

use serde_json::Value;

/// Maximum text length in bytes: four times the longest answer that models write today.
const MAX_BYTES: usize = 1 << 20;
/// Maximum nesting of lists and objects, below the 128 at which `serde_json` stops.
pub(crate) const MAX_DEPTH: usize = 64;

/// Parses one JSON value. The error message does not quote the text.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("{} bytes, expected at most {MAX_BYTES}", text.len()));
    }
    if depth(text) > MAX_DEPTH {
        return Err(format!("nested more than {MAX_DEPTH} deep"));
    }
    if text.trim().is_empty() {
        return Err("nothing, expected JSON".to_owned());
    }
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// Returns the nesting depth of lists and objects. The result is exact for valid JSON and arbitrary otherwise.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

/// Advances past the closing quote of a string.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// Normalises numbers so that numerically equal values compare equal: a 64-bit integer has no fraction.
pub(crate) fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
                return Value::Number(number);
            };
            // A float without a fraction prints as digits alone.
            let digits = float.to_string();
            match (digits.parse::<i64>(), digits.parse::<u64>()) {
                (Ok(whole), _) => Value::from(whole),
                (_, Ok(whole)) => Value::from(whole),
                _ => Value::Number(number),
            }
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, normal(value))).collect(),
        other => other,
    }
}

/// Describes the type and size of a value without quoting it.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(text) => format!("a string of {} characters", text.chars().count()),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(fields) => format!("an object of {}", fields.len()),
    }
}

#[cfg(test)]
mod tests;
