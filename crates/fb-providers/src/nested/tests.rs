use crate::edits::value;

use super::*;

#[test]
fn elements_that_stay_keep_their_bytes() {
    let second = |_, text: &str| match text {
        "2" => Element::Becomes("[]".to_owned()),
        _ => Element::Stays,
    };
    assert_eq!(array("[ 1.0, 2 ,\"3\"]", second).as_deref(), Some("[ 1.0, [] ,\"3\"]"));
    for text in ["[1]", "[]", "{}", "[2", "2"] {
        assert_eq!(array(text, second), None, "{text}");
    }
}

#[test]
fn fields_that_stay_keep_their_bytes() {
    let text = r#"{ "a" : 1.0, "b":"\u0062" , "c":{} }"#;
    let without = object(text, |raw, edits| {
        assert_eq!(value(raw, "a"), Some("1.0"));
        edits.remove("c");
    });
    assert_eq!(without.as_deref(), Some(r#"{ "a" : 1.0, "b":"\u0062" }"#));
    assert_eq!(object(text, |_, _| ()), None);
    assert_eq!(object("[]", |_, edits| edits.set("a", "1")), None);
}
