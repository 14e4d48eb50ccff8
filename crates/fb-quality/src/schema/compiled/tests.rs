use serde_json::json;

use super::*;

fn check(schema: &Value, value: &Value) -> Result<(), String> {
    Compiled::new(&schema.to_string())?.check(value, &value.to_string())
}

fn refused(schema: &str) -> String {
    Compiled::new(schema).err().unwrap()
}

#[test]
fn violations_contain_pointer_finding_and_expectation() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "items": {"type": "array", "items": {"properties": {"price": {"type": "number", "minimum": 0}}}},
            "size": {"enum": ["s", "m"]},
        },
        "required": ["name"],
        "additionalProperties": false,
    });
    let good = json!({"name": "a", "items": [{"price": 1}], "size": "m"});
    assert_eq!(check(&schema, &good), Ok(()));
    for (value, expected) in [
        (json!([1, 2]), r#"a list of 2 is not of type "object""#),
        (json!({}), r#""name" is a required property"#),
        (json!({"name": "SECRET"}), r#"/name: a string of 6 characters does not match "^[a-z]+$""#),
        (
            json!({"name": "a", "size": "SECRET"}),
            r#"/size: a string of 6 characters is not one of "s" or "m""#,
        ),
        (
            json!({"name": "a", "items": [{"price": 1}, {"price": "SECRET"}]}),
            r#"/items/1/price: a string of 6 characters is not of type "number""#,
        ),
        (
            json!({"name": "a", "more": "SECRET"}),
            "Additional properties are not allowed ('more' was unexpected)",
        ),
    ] {
        assert_eq!(check(&schema, &value), Err(expected.to_owned()));
    }
}

#[test]
fn first_three_violations_are_listed() {
    let schema = json!({"items": {"type": "integer"}});
    let one = |n| format!("/{n}: a string of 1 characters is not of type \"integer\"");
    let values = |n: usize| Value::Array(vec![json!("x"); n]);
    assert_eq!(check(&schema, &values(3)), Err([one(0), one(1), one(2)].join("; ")));
    assert_eq!(check(&schema, &values(4)), Err([one(0), one(1), one(2), "and more".to_owned()].join("; ")));
}

#[test]
fn violations_with_too_many_paths_are_not_listed() {
    let schema = json!({"properties": {"x": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}, "type": "object"});
    let mut value = json!({"x": 1});
    for _ in 0..50 {
        value = json!({"x": value});
    }
    assert_eq!(check(&schema, &value), Err("does not follow the schema".to_owned()));
    let shallow = "/x: a number is not valid under any of the schemas listed in the 'anyOf' keyword";
    assert_eq!(check(&schema, &json!({"x": 1})), Err(shallow.to_owned()));
}

#[test]
fn unusable_schemas_are_refused_with_a_reason() {
    let patterns: Vec<_> = (0..33).map(|n| json!({"pattern": n.to_string()})).collect();
    for (schema, expected) in [
        ("{".to_owned(), "not JSON: EOF while parsing an object at line 1 column 1"),
        ("[".repeat(100_000), "100000 bytes, expected at most 65536"),
        ("[".repeat(60_000), "nested more than 64 deep"),
        (json!({"anyOf": patterns}).to_string(), "33 patterns, expected at most 32"),
        (
            r#"{"type": "text"}"#.to_owned(),
            r#"/type: "text" is not valid under any of the schemas listed in the 'anyOf' keyword"#,
        ),
        ("5".to_owned(), r#"5 is not of types "boolean", "object""#),
        (r#"{"pattern": "(?=a)b"}"#.to_owned(), r#"/pattern: "(?=a)b" is not a "regex""#),
        (r#"{"pattern": ".{100000}"}"#.to_owned(), r#"/pattern: ".{100000}" is not a "regex""#),
    ] {
        assert_eq!(refused(&schema), expected);
    }
}

#[test]
fn hostile_pattern_takes_linear_time() {
    let schema = json!({"pattern": "^(a+)+$"});
    let text = format!("{}b", "a".repeat(100_000));
    let found = check(&schema, &json!(text));
    assert_eq!(found, Err(r#"a string of 100001 characters does not match "^(a+)+$""#.to_owned()));
}

#[test]
fn formats_are_not_checked() {
    for draft in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"] {
        let schema = json!({"$schema": draft, "format": "email"});
        assert_eq!(check(&schema, &json!("no address")), Ok(()));
    }
}
