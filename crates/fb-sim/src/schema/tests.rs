use expect_test::{Expect, expect};
use serde_json::Value;

use super::example;

#[track_caller]
fn check(schema: &str, expected: &Expect) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    expected.assert_eq(&example(&schema).to_string());
}

#[test]
fn examples_satisfy_their_schema() {
    check("true", &expect![[r#""example""#]]);
    check(r#"{"type":"object"}"#, &expect!["{}"]);
    check(
        r#"{"properties":{"a":{"type":"integer"},"b":{"type":"number","minimum":2.5}}}"#,
        &expect![[r#"{"a":1,"b":2.5}"#]],
    );
    check(
        r#"{"type":"object","properties":{"a":{},"b":{}},"required":["b"]}"#,
        &expect![[r#"{"b":"example"}"#]],
    );
    check(r#"{"type":["null","boolean"]}"#, &expect!["true"]);
    check(r#"{"type":"array","items":{"enum":["x","y"]},"minItems":2}"#, &expect![[r#"["x","x"]"#]]);
    check(r#"{"type":"integer","exclusiveMinimum":9}"#, &expect!["10"]);
    check(r#"{"type":"integer","maximum":-3}"#, &expect!["-3"]);
    check(r#"{"type":"string","minLength":9}"#, &expect![[r#""examplexx""#]]);
    check(r#"{"type":"string","maxLength":2}"#, &expect![[r#""ex""#]]);
    check(r#"{"type":"string","format":"date"}"#, &expect![[r#""2026-11-21""#]]);
    check(r#"{"const":{"k":1}}"#, &expect![[r#"{"k":1}"#]]);
    check(r#"{"anyOf":[{"type":"null"},{"type":"string"}]}"#, &expect!["null"]);
    check(
        r#"{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}"#,
        &expect![[r#"{"a":"example","b":"example"}"#]],
    );
    check(
        r##"{"$ref":"#/$defs/p","$defs":{"p":{"properties":{"n":{"type":"integer"}}}}}"##,
        &expect![[r#"{"n":1}"#]],
    );
}

#[test]
fn recursive_schema_terminates() {
    check(r##"{"properties":{"next":{"$ref":"#"}}}"##, &expect![[r#"{"next":{}}"#]]);
    check(
        r##"{"properties":{"next":{"$ref":"#"}},"required":["next"]}"##,
        &expect![[r#"{"next":{"next":null}}"#]],
    );
    check(
        r##"{"properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}}"##,
        &expect![[r#"{"next":{"next":null}}"#]],
    );
    check(
        r##"{"properties":{"children":{"type":"array","items":{"$ref":"#"}}}}"##,
        &expect![[r#"{"children":[{"children":[]}]}"#]],
    );
    check(r##"{"$ref":"#"}"##, &expect!["null"]);
}
