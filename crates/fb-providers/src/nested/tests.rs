use crate::edits::value;

use super::*;

#[test]
fn elements_that_stay_keep_their_bytes_and_those_that_go_take_one_comma() {
    let without = |gone: &str| {
        array(r#"[ 1 ,"b", {"c" : 2}	]"#, |index, _| {
            if gone.contains(&index.to_string()) { Element::Goes } else { Element::Stays }
        })
    };
    for (gone, left) in [
        ("", None),
        ("0", Some(r#"[ "b", {"c" : 2}	]"#)),
        ("1", Some(r#"[ 1 ,{"c" : 2}	]"#)),
        ("2", Some(r#"[ 1 ,"b"	]"#)),
        ("01", Some(r#"[ {"c" : 2}	]"#)),
        ("02", Some(r#"[ "b"	]"#)),
        ("12", Some("[ 1	]")),
        ("012", Some("[ 	]")),
    ] {
        assert_eq!(without(gone).as_deref(), left, "{gone}");
    }
    let other = array("[1, 2 ,3]", |_, text| match text {
        "2" => Element::Becomes("[]".to_owned()),
        "3" => Element::Goes,
        _ => Element::Stays,
    });
    assert_eq!(other.as_deref(), Some("[1, []]"));
    for text in ["[]", "{}", "[1", "7"] {
        assert_eq!(array(text, |_, _| Element::Goes), None, "{text}");
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
