use crate::edits::value;

use super::*;

#[test]
fn removing_an_element_removes_one_comma_and_keeps_other_bytes() {
    let without = |removed: &str| {
        edit_array(r#"[ 1 ,"b", {"c" : 2}	]"#, |index, _| {
            if removed.contains(&index.to_string()) { Element::Remove } else { Element::Keep }
        })
    };
    for (removed, expected) in [
        ("", None),
        ("0", Some(r#"[ "b", {"c" : 2}	]"#)),
        ("1", Some(r#"[ 1 ,{"c" : 2}	]"#)),
        ("2", Some(r#"[ 1 ,"b"	]"#)),
        ("01", Some(r#"[ {"c" : 2}	]"#)),
        ("02", Some(r#"[ "b"	]"#)),
        ("12", Some("[ 1	]")),
        ("012", Some("[ 	]")),
    ] {
        assert_eq!(without(removed).as_deref(), expected, "{removed}");
    }
    let replaced = edit_array("[1, 2 ,3]", |_, text| match text {
        "2" => Element::Replace("[]".to_owned()),
        "3" => Element::Remove,
        _ => Element::Keep,
    });
    assert_eq!(replaced.as_deref(), Some("[1, []]"));
    for text in ["[]", "{}", "[1", "7"] {
        assert_eq!(edit_array(text, |_, _| Element::Remove), None, "{text}");
    }
}

#[test]
fn removing_a_field_keeps_other_bytes() {
    let text = r#"{ "a" : 1.0, "b":"\u0062" , "c":{} }"#;
    let without = edit_object(text, |raw, edits| {
        assert_eq!(value(raw, "a"), Some("1.0"));
        edits.remove("c");
    });
    assert_eq!(without.as_deref(), Some(r#"{ "a" : 1.0, "b":"\u0062" }"#));
    assert_eq!(edit_object(text, |_, _| ()), None);
    assert_eq!(edit_object("[]", |_, edits| edits.set("a", "1")), None);
}
