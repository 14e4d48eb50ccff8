use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn hostile_nesting_is_rejected_before_parsing() {
    let expected = Err("nested more than 64 deep".to_owned());
    assert_eq!(parse(&"[".repeat(100_000)), expected);
    assert_eq!(parse(&format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000))), expected);
    let deepest = format!("{}{}", "[".repeat(64), "]".repeat(64));
    assert_eq!(parse(&deepest).map(|value| value.is_array()), Ok(true));
}

#[test]
fn depth_ignores_brackets_inside_strings() {
    for (text, expected) in
        [("1", 0), ("[]", 1), (r#"{"a":[1]}"#, 2), (r#"["[[[\"[["]"#, 1), (r#"["\\",[]]"#, 2), ("]]][", 1)]
    {
        assert_eq!(depth(text), expected, "{text}");
    }
}

#[test]
fn invalid_json_is_reported_without_quoting_it() {
    assert_eq!(parse(" \n"), Err("nothing, expected JSON".to_owned()));
    assert_eq!(parse("Sure! {}"), Err("not JSON: expected value at line 1 column 1".to_owned()));
    assert_eq!(parse("{} and"), Err("not JSON: trailing characters at line 1 column 4".to_owned()));
    let long = format!("\"{}\"", "a".repeat(1 << 20));
    assert_eq!(parse(&long), Err("1048578 bytes, expected at most 1048576".to_owned()));
}

#[test]
fn kind_quotes_no_value() {
    let kinds = [json!(null), json!(true), json!(1.5), json!("ä"), json!([1, 2]), json!({"a": 1})];
    let expected =
        ["null", "a boolean", "a number", "a string of 1 characters", "a list of 2", "an object of 1"];
    assert_eq!(kinds.map(|value| kind(&value)), expected);
}

proptest! {
    #[test]
    fn garbage_never_panics(text in "[\\[\\]{}\",:\\\\a`\n ]{0,60}") {
        let _parsed = parse(&text);
    }
}
