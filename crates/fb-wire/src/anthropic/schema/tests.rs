use expect_test::{Expect, expect};

use super::*;

/// Checks schemas and their results: `=` unchanged, `~` changed, `!` refused.
fn check<const N: usize>(rows: [(&str, Expect); N]) {
    for (schema, expected) in rows {
        let out = match sanitise(&Json::parse(schema).unwrap(), None) {
            Ok(clean) => format!("{} {}", if clean.changed { "~" } else { "=" }, clean.schema.get()),
            Err(fault) => format!("! {}", fault.refusal("schema")),
        };
        expected.assert_eq(&out);
    }
}

#[test]
fn unsupported_keywords_move_into_the_description() {
    check([
        (
            r#"{"type":"object","properties":{"z":{"type":"integer","minimum":1,"maximum":5,"description":"stars"},"a":{"type":"string","pattern":"^a","format":"uuid"},"m":{"type":"string","format":"color"}},"required":["z","a","m"],"additionalProperties":false,"$schema":"x"}"#,
            expect![[
                r#"~ {"type":"object","properties":{"z":{"type":"integer","description":"stars (minimum: 1; maximum: 5)"},"a":{"type":"string","format":"uuid","description":"pattern: \"^a\""},"m":{"type":"string","description":"format: \"color\""}},"required":["z","a","m"],"additionalProperties":false}"#
            ]],
        ),
        (
            r#"{"type":"array","items":{"type":"string","minLength":1},"minItems":1,"maxItems":3,"uniqueItems":true}"#,
            expect![[
                r#"~ {"type":"array","items":{"type":"string","description":"minLength: 1"},"minItems":1,"description":"maxItems: 3; uniqueItems: true"}"#
            ]],
        ),
        (
            r#"{"type":"array","items":{"type":"string"},"minItems":2}"#,
            expect![[r#"~ {"type":"array","items":{"type":"string"},"description":"minItems: 2"}"#]],
        ),
        (
            r#"{"oneOf":[{"type":"string"},{"type":"null"}],"title":"t","default":null}"#,
            expect![[r#"= {"anyOf":[{"type":"string"},{"type":"null"}],"title":"t","default":null}"#]],
        ),
        (
            r#"{"anyOf":[{"const":1},{"enum":["a","b"]}],"examples":[1],"$comment":"c"}"#,
            expect![[r#"= {"anyOf":[{"const":1},{"enum":["a","b"]}]}"#]],
        ),
        (r#"{"anyOf":[true],"oneOf":[true]}"#, expect!["! schema: has anyOf beside oneOf"]),
        (
            r#"{"type":["object","null"],"properties":{"a":true}}"#,
            expect![[r#"= {"type":["object","null"],"properties":{"a":{}},"additionalProperties":false}"#]],
        ),
        (
            r#"{"type":"string","not":{"const":"a"}}"#,
            expect![[r#"~ {"type":"string","description":"not: {\"const\":\"a\"}"}"#]],
        ),
        (
            r#"{"type":"array","prefixItems":[{"type":"string"}],"items":false}"#,
            expect![[
                r#"~ {"type":"array","description":"prefixItems: [{\"type\":\"string\"}]; items: false"}"#
            ]],
        ),
    ]);
}

#[test]
fn references_without_recursion_are_kept() {
    check([
        (
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/x","description":"d"},"b":{"$ref":"#/$defs/x"}},"required":["a","b"],"$defs":{"x":{"type":"object","properties":{"c":{"$ref":"#/$defs/y"}}},"y":{"type":"string","minLength":1}}}"##,
            expect![[
                r##"~ {"type":"object","properties":{"a":{"$ref":"#/$defs/x"},"b":{"$ref":"#/$defs/x"}},"required":["a","b"],"$defs":{"x":{"type":"object","properties":{"c":{"$ref":"#/$defs/y"}},"additionalProperties":false},"y":{"type":"string","description":"minLength: 1"}},"additionalProperties":false}"##
            ]],
        ),
        (
            r##"{"$ref":"#/definitions/x~1y","definitions":{"x/y":{"type":"null"}}}"##,
            expect![[r##"= {"$ref":"#/definitions/x~1y","definitions":{"x/y":{"type":"null"}}}"##]],
        ),
        (
            r##"{"allOf":[{"$ref":"#/$defs/x"}],"description":"d"}"##,
            expect!["! schema: refers to something that is not in $defs"],
        ),
        (
            r##"{"type":"object","properties":{"a":{"allOf":[{"$ref":"#/$defs/x"}],"description":"d"}},"$defs":{"x":{"type":"null"}}}"##,
            expect![[
                r##"= {"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"null"}},"additionalProperties":false}"##
            ]],
        ),
        (
            r#"{"allOf":[{"type":"object","properties":{"a":true}},{"type":"object","properties":{"b":true}}]}"#,
            expect!["! schema: has allOf, which closed objects cannot satisfy"],
        ),
        (
            r##"{"type":"object","properties":{"a":{"$ref":"#"}}}"##,
            expect!["! schema.properties.a: is recursive, which Anthropic cannot enforce"],
        ),
        (
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]},"b":{"type":"array","items":{"$ref":"#/$defs/a"}}}}"##,
            expect!["! schema: is recursive, which Anthropic cannot enforce"],
        ),
        (
            r##"{"type":"object","properties":{"a":{"$ref":"#/properties/b"},"b":{"type":"null"}}}"##,
            expect!["! schema.properties.a: refers to something that is not in $defs"],
        ),
        (
            r##"{"type":"object","properties":{"a":{"$ref":"https://example.com/x.json"}}}"##,
            expect!["! schema.properties.a: refers to something that is not in $defs"],
        ),
    ]);
}

#[test]
fn objects_with_open_keys_are_refused() {
    check([
        (
            r#"{"type":"object"}"#,
            expect!["! schema: is an object with open keys, which Anthropic would leave empty"],
        ),
        (
            r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
            expect!["! schema: is an object with open keys, which Anthropic would leave empty"],
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"object","additionalProperties":true}}}"#,
            expect!["! schema.properties.a: is an object with open keys, which Anthropic would leave empty"],
        ),
        (
            r#"{"type":"object","properties":{"a":true},"patternProperties":{"^x":{}}}"#,
            expect!["! schema: is an object with open keys, which Anthropic would leave empty"],
        ),
        (
            r#"{"type":"object","properties":{"a":true},"additionalProperties":true}"#,
            expect![[r#"= {"type":"object","properties":{"a":{}},"additionalProperties":false}"#]],
        ),
        (
            r#"{"type":"object","properties":{"a":true},"additionalProperties":{ }}"#,
            expect![[r#"= {"type":"object","properties":{"a":{}},"additionalProperties":false}"#]],
        ),
        (
            r#"{"type":"object","properties":{},"additionalProperties":false}"#,
            expect![[r#"= {"type":"object","properties":{},"additionalProperties":false}"#]],
        ),
    ]);
}

#[test]
fn invalid_schema_is_refused() {
    check([
        ("7", expect!["! schema: is no JSON schema"]),
        ("false", expect!["! schema: is no JSON schema"]),
        (
            r#"{"type":"object","properties":[]}"#,
            expect!["! schema: is an object with open keys, which Anthropic would leave empty"],
        ),
        (r#"{"anyOf":{}}"#, expect!["! schema.anyOf: is no list"]),
        (r#"{"allOf":7}"#, expect!["! schema: has an allOf that is no list"]),
        (r#"{"$ref":7}"#, expect!["! schema: has a bad $ref"]),
    ]);
}

#[test]
fn sizes_are_bounded() {
    let optional = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!(r#""p{n}":{{"type":"null"}}"#)).collect();
        Json::parse(&format!(r#"{{"type":"object","properties":{{{}}}}}"#, names.join(","))).unwrap()
    };
    assert!(!sanitise(&optional(24), None).unwrap().changed);
    expect!["schema: has more than 24 optional properties, which Anthropic refuses"]
        .assert_eq(&sanitise(&optional(25), None).unwrap_err().refusal("schema").to_string());
    let deep = format!("{}true{}", r#"{"items":"#.repeat(100), "}".repeat(100));
    let fault = sanitise(&Json::parse(&deep).unwrap(), None).unwrap_err();
    assert_eq!(fault.why, "is nested too deep");
    // Definitions are not expanded, so a chain that doubles at every step stays small.
    let chain: Vec<String> = (0..60)
        .map(|n| {
            format!(r##""d{n}":{{"anyOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}}"##, n + 1)
        })
        .collect();
    let chain = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d60":true}}}}"##, chain.join(","));
    let clean = sanitise(&Json::parse(&chain).unwrap(), None).unwrap();
    assert!(clean.schema.get().len() <= chain.len());
}
