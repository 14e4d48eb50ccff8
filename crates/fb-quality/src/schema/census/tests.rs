use serde_json::json;

use super::*;

fn deepest(schema: &Value) -> usize {
    Census::of(schema).unwrap().deepest_named
}

fn refused(schema: &Value) -> String {
    Census::of(schema).err().unwrap()
}

#[test]
fn usual_schemas_may_name_at_any_depth() {
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
        assert_eq!(deepest(&schema), MAX_DEPTH, "{schema}");
    }
    assert_eq!(deepest(&list), MAX_DEPTH);
}

#[test]
fn schemas_that_come_to_a_value_on_many_ways_name_less_deep() {
    let twice = json!({"properties": {"x": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
    // 2^13 ways are few enough, 2^14 are not.
    assert_eq!(deepest(&twice), 14);
    let chain: serde_json::Map<_, _> = (0..8)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/{}", n + 1)});
            (n.to_string(), json!({"allOf": [next, next]}))
        })
        .chain([("8".to_owned(), json!({"type": "string"}))])
        .collect();
    assert_eq!(deepest(&json!({"items": {"$ref": "#/$defs/0"}, "$defs": chain})), MAX_DEPTH);
}

#[test]
fn references_stay_inside_and_end() {
    let outside = "not a schema of this one's own, such as \"#/$defs/name\"";
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
    assert_eq!(deepest(&chain(8)), MAX_DEPTH);
    assert_eq!(refused(&chain(40)), "more than 1000 references apply to one value");
}

#[test]
fn a_long_chain_of_references_needs_no_stack() {
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
    assert_eq!(Census::of(&schema).unwrap().patterns, 4);
}
