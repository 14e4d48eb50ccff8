//! Generation of a small value that satisfies a JSON schema.

use serde_json::{Map, Value, json};

/// Returns an example that satisfies `schema`. Objects get their required properties, or all properties if none is
/// required. Recursive parts are left out if they are optional.
pub(crate) fn example(schema: &Value) -> Value {
    Generator { root: schema, referring: Vec::new() }.value(schema).unwrap_or(Value::Null)
}

struct Generator<'s> {
    root: &'s Value,
    /// The references that are being resolved.
    referring: Vec<&'s str>,
}

impl<'s> Generator<'s> {
    /// Returns `None` for a recursive reference.
    fn value(&mut self, schema: &'s Value) -> Option<Value> {
        if let Some(fixed) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
            return Some(fixed.clone());
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.referred(reference);
        }
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return choices.iter().find_map(|choice| self.value(choice));
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.merged(parts);
        }
        Some(match type_of(schema) {
            "object" => self.object(schema),
            "array" => self.array(schema),
            "integer" => integer(lowest(schema)),
            "number" => json!(lowest(schema)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => string(schema),
        })
    }

    fn referred(&mut self, reference: &'s str) -> Option<Value> {
        if self.referring.contains(&reference) {
            return None;
        }
        let target = self.root.pointer(reference.strip_prefix('#')?)?;
        self.referring.push(reference);
        let value = self.value(target);
        self.referring.pop();
        value
    }

    fn merged(&mut self, parts: &'s [Value]) -> Option<Value> {
        let mut merged = Map::new();
        for part in parts {
            match self.value(part)? {
                Value::Object(fields) => merged.extend(fields),
                other => return Some(other),
            }
        }
        Some(Value::Object(merged))
    }

    fn object(&mut self, schema: &'s Value) -> Value {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &String| required.is_some_and(|names| names.iter().any(|required| required == name));
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut fields = Map::new();
        for (name, schema) in properties.into_iter().flatten() {
            if required.is_some() && !is_required(name) {
                continue;
            }
            match self.value(schema) {
                Some(value) => fields.insert(name.clone(), value),
                None if is_required(name) => fields.insert(name.clone(), Value::Null),
                None => None,
            };
        }
        Value::Object(fields)
    }

    fn array(&mut self, schema: &'s Value) -> Value {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).min(16);
        let items = schema.get("items").unwrap_or(&Value::Null);
        (0..count).filter_map(|_| self.value(items)).collect()
    }
}

/// Returns the type; of several types, the first that is not null.
fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a bound beyond i64 has no better example than its end")]
fn integer(low: f64) -> Value {
    json!(low.ceil() as i64)
}

fn lowest(schema: &Value) -> f64 {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let above = bound("exclusiveMinimum").map(|low| low + 1.0);
    let low = bound("minimum").or(above).unwrap_or(1.0);
    bound("maximum").map_or(low, |high| low.min(high))
}

fn string(schema: &Value) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-11-21T00:00:00Z",
        Some("date") => "2026-11-21",
        Some("time") => "00:00:00Z",
        Some("duration") => "PT1S",
        Some("email") => "someone@example.com",
        Some("hostname") => "example.com",
        Some("uri") => "https://example.com/",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "example",
    };
    let bound =
        |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    let padded = format!("{text:x<width$}", width = bound("minLength").unwrap_or(0).min(4096));
    let letters = bound("maxLength").unwrap_or(usize::MAX);
    json!(padded.chars().take(letters).collect::<String>())
}

#[cfg(test)]
mod tests;
