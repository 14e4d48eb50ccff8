//! JSON that a model or a caller wrote, read within bounds.

use serde_json::Value;

/// Largest text that is read: four times what today's models write in one answer.
const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of lists and objects that is read. Under the 128 at which `serde_json` stops.
pub(crate) const MAX_DEPTH: usize = 64;

/// Reads one JSON value; the error says what is wrong, without the text.
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

/// How deep lists and objects are nested; exact for JSON, and some number for anything else.
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

/// Goes on behind the quote that ends a string.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// A value with every number in one form, so that equal ones are the same: a whole one of 64 bits has no fraction.
pub(crate) fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
                return Value::Number(number);
            };
            // Without a fraction it prints as digits alone.
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

/// What a value is, without saying it.
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
