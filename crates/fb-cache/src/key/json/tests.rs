use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{InvalidJson, push};

fn canonical(json: impl AsRef<[u8]>) -> Result<Vec<u8>, InvalidJson> {
    let mut out = Vec::new();
    push(&mut out, json.as_ref()).map(|()| out)
}

/// All documents of a row are equal, and documents of different rows differ.
#[test]
fn equal_documents_have_equal_encodings() {
    let rows: &[&[&str]] = &[
        &["null", " null\n"],
        &["true"],
        &["false"],
        &["0", "-0", "0.0", "-0.00", "0e5", "0E-99999999999999999999"],
        &["1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "0.001e+3"],
        &["-1", "-1.0"],
        &["10", "1e1", "1.0e1"],
        &["0.1", "1e-1", "0.10"],
        &["0.10000000000000000001"],
        &["18446744073709551616"],
        &["18446744073709551617", "18446744073709551617.0"],
        &["18446744073709551618"],
        &["1e400"],
        &["1e401", "10e400"],
        &["101"],
        &[r#""A""#, r#""\u0041""#],
        &[r#""1""#],
        &[r#""é""#, r#""\u00e9""#, r#""\u00E9""#],
        &[r#""e\u0301""#],
        &[r#""/\n""#, r#""\/\u000a""#],
        &[r#""\"\\""#, r#""\u0022\u005C""#],
        &[r#""\b\f\t\r""#, r#""\u0008\u000c\u0009\u000D""#],
        &[r#""\u0000\u001f""#, r#""\u0000\u001F""#],
        &[r#""\u0062""#, r#""b""#],
        &[r#""😀""#, r#""\ud83d\ude00""#],
        &[r#""\ud83d""#, r#""\uD83D""#],
        &[r#""\ude00""#],
        &[r#""\ude00\ud83d""#],
        &[r#""\ufffd""#],
        &[r#""""#],
        &["[]", " [ ] "],
        &["[[]]"],
        &["[[],[]]"],
        &["[1,2]", "[1.0 , 2]"],
        &["[2,1]"],
        &["[12]"],
        &["{}", "{ }"],
        &[r#"{"a":1,"b":2}"#, r#" { "b" : 2e0 , "\u0061":1 }"#],
        &[r#"{"a":2,"b":1}"#],
        &[r#"{"a":{"b":1}}"#],
        &[r#"[{"c":[{"y":1,"x":2}],"b":3,"a":4},5]"#, r#"[{"a":4,"c":[{"x":2,"y":1}],"b":3},5]"#],
        &[r#"{"a":{},"b":1}"#, r#"{"b":1,"a":{}}"#],
        &[r#"{"ab":1}"#],
        &[r#"{"\ud83d":1}"#],
        &[r#"["a",1,"b",2]"#],
    ];
    for (at, row) in rows.iter().enumerate() {
        for document in *row {
            let same = |row: &&[&str]| canonical(row[0]) == canonical(document);
            let found: Vec<usize> = (0..rows.len()).filter(|other| same(&rows[*other])).collect();
            assert_eq!(found, [at], "{document}");
        }
    }
}

#[test]
fn invalid_documents_are_rejected() {
    for text in ["", "{", "[1,]", "01", "1 2", "nul", "\"\n\"", r#"{"a"}"#, r#""\u12""#, r#"{1:2}"#] {
        assert!(matches!(canonical(text), Err(InvalidJson::Syntax(_))), "{text}");
    }
    assert!(matches!(canonical(b"\"\xff\""), Err(InvalidJson::Syntax(_))));
    assert_eq!(canonical(r#"[{"a":1,"b":2,"\u0061":1}]"#), Err(InvalidJson::Duplicate));
    for number in ["1e9223372036854775808", "1e-99999999999999999999", "10e9223372036854775807"] {
        assert_eq!(canonical(number), Err(InvalidJson::Exponent), "{number}");
    }
}

#[test]
fn syntax_error_has_the_position_and_no_content() {
    let error = canonical(r#"{"a": secret}"#).unwrap_err();
    assert_eq!(error.to_string(), "not JSON: expected value at line 1 column 7");
}

#[test]
fn documents_may_be_nested_128_levels_deep() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(canonical(nested(128)).map(|_| ()), Ok(()));
        assert_eq!(canonical(nested(129)), Err(InvalidJson::TooDeep));
        assert_eq!(canonical(nested(2_000)), Err(InvalidJson::TooDeep));
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-20_i64..20).prop_map(Value::from),
        "[ab\"\\\\é\n]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[abc]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn only_equal_documents_have_equal_encodings(a in value(), b in value()) {
        prop_assert_eq!(canonical(a.to_string()) == canonical(b.to_string()), a == b);
    }

    #[test]
    fn white_space_does_not_matter(document in value()) {
        let wide = serde_json::to_string_pretty(&document).unwrap();
        prop_assert_eq!(canonical(wide), canonical(document.to_string()));
    }

    #[test]
    fn every_json_document_has_an_encoding(text in r#"[\[\]{},:"ntf\\u0-9a-f.eE+ -]{0,12}"#) {
        let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(matches!(canonical(&text), Err(InvalidJson::Syntax(_))), !is_json);
    }
}
