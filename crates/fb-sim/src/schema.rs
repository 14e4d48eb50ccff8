//! A small value that fits a JSON schema.

use serde_json::{Map, Value, json};

/// Below this depth a schema that refers to itself gives `null`.
const DEPTH_MAX: usize = 12;

/// An example that fits `schema`: its required properties, or all of them if it requires none.
pub(crate) fn example(schema: &Value) -> Value {
    Generator { root: schema }.value(schema, 0)
}

struct Generator<'s> {
    root: &'s Value,
}

impl Generator<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(first) = schema.pointer("/enum/0") {
            return first.clone();
        }
        if let Some(target) = self.referred(schema) {
            return self.value(target, depth + 1);
        }
        if let Some(first) = schema.pointer("/anyOf/0").or_else(|| schema.pointer("/oneOf/0")) {
            return self.value(first, depth + 1);
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.merged(parts, depth);
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "integer" => integer(lowest(schema)),
            "number" => json!(lowest(schema)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => string(schema),
        }
    }

    fn referred(&self, schema: &Value) -> Option<&Value> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    fn merged(&self, parts: &[Value], depth: usize) -> Value {
        let mut merged = Map::new();
        for part in parts {
            match self.value(part, depth + 1) {
                Value::Object(fields) => merged.extend(fields),
                other => return other,
            }
        }
        Value::Object(merged)
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array);
        let wanted = |name: &String| required.is_none_or(|names| names.iter().any(|wanted| wanted == name));
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flatten().filter(|(name, _)| wanted(name));
        fields.map(|(name, schema)| (name.clone(), self.value(schema, depth + 1))).collect()
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).min(16);
        let items = schema.get("items").unwrap_or(&Value::Null);
        (0..count).map(|_| self.value(items, depth + 1)).collect()
    }
}

/// The type; where several are allowed, the first that isn't null.
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
