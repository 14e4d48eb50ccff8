use serde_json::json;

use super::*;

fn max_depth(schema: &Value) -> usize {
    SchemaCost::measure(schema).unwrap().max_enumerated_depth
}

fn refused(schema: &Value) -> String {
    SchemaCost::measure(schema).err().unwrap()
}

#[test]
fn usual_schemas_enumerate_violations_at_any_depth() {
    let tree = json!({
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}}, "$ref": {"type": "string"}},
    });
    let list = json!({
        "$ref": "#/$defs/a~1b",
        "$defs": {"a/b": {"properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a~1b"}]}}}},
    });
    let leaf = |_| json!({"properties": {"x": {"type": "string"}}});
    let union = json!({"items": {"anyOf": (0..50).map(leaf).collect::<Vec<_>>()}});
    for schema in [json!(true), json!({}), tree, union] {
        assert_eq!(max_depth(&schema), MAX_DEPTH, "{schema}");
    }
    assert_eq!(max_depth(&list), MAX_DEPTH);
}

#[test]
fn schemas_with_many_paths_enumerate_less_deep() {
    let twice = json!({"properties": {"x": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
    // 2^13 paths are within the bound, 2^14 are not.
    assert_eq!(max_depth(&twice), 14);
    let chain: serde_json::Map<_, _> = (0..8)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/{}", n + 1)});
            (n.to_string(), json!({"allOf": [next, next]}))
        })
        .chain([("8".to_owned(), json!({"type": "string"}))])
        .collect();
    assert_eq!(max_depth(&json!({"items": {"$ref": "#/$defs/0"}, "$defs": chain})), MAX_DEPTH);
}

#[test]
fn external_and_endless_references_are_refused() {
    let outside = "not a subschema of this schema, such as \"#/$defs/name\"";
    for to in
        ["https://example.invalid/s", "file:///etc/passwd", "#/$defs/b", "#anchor", "other.json", "#/$defs"]
    {
        let schema = json!({"properties": {"x": {"$ref": to}}, "$defs": {"a": true}});
        assert_eq!(refused(&schema), format!("$ref {to:?}: {outside}"));
    }
    let endless = "$ref: refers to itself without end";
    assert_eq!(refused(&json!({"$ref": "#"})), endless);
    let loops = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}});
    assert_eq!(refused(&loops), endless);
    assert_eq!(
        refused(&json!({"items": {"$dynamicRef": "#x"}})),
        "/items/$dynamicRef: not supported, use $ref"
    );
    assert_eq!(refused(&json!({"items": {"$id": "x"}})), "/items/$id: not supported inside a schema");
}

#[test]
fn references_that_multiply_are_refused() {
    let chain = |length: usize| {
        let defs: serde_json::Map<_, _> = (0..length)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/{}", n + 1)});
                (n.to_string(), json!({"allOf": [next, next]}))
            })
            .chain([(length.to_string(), json!(true))])
            .collect();
        json!({"$defs": defs})
    };
    assert_eq!(max_depth(&chain(8)), MAX_DEPTH);
    assert_eq!(refused(&chain(40)), "more than 1000 references apply to one value");
}

#[test]
fn long_chain_of_references_does_not_overflow_the_stack() {
    let defs: serde_json::Map<_, _> = (0..50_000)
        .map(|n| (n.to_string(), json!({"not": {"$ref": format!("#/$defs/{}", n + 1)}})))
        .chain([("50000".to_owned(), json!(true))])
        .collect();
    assert_eq!(refused(&json!({"$defs": defs})), "more than 1000 references apply to one value");
}

#[test]
fn patterns_are_counted() {
    let schema = json!({
        "properties": {"pattern": {"pattern": "a"}},
        "patternProperties": {"b": {}, "c": {"pattern": "d"}},
    });
    assert_eq!(SchemaCost::measure(&schema).unwrap().patterns, 4);
}
