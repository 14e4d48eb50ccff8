use std::fmt::Write;

use fb_core::{Chat, Dialect};
use proptest::prelude::*;

use super::*;

fn body(text: &str) -> RawBody {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let fields = scan(&bytes).unwrap();
    RawBody { dialect: Dialect::OpenAi, bytes, fields, headers: Vec::new(), parse: |_| Ok(Chat::default()) }
}

#[track_caller]
fn check(text: &str, edits: &[Edit<'_>], expected: &str) {
    let spliced = splice(&body(text), edits);
    assert_eq!(std::str::from_utf8(&spliced).unwrap(), expected);
    scan(&spliced).unwrap();
}

#[test]
fn fields_are_located() {
    let text = r#" {"a" : 1.0 , "mod\u0065l":"x","a":[{"a":2}]} "#;
    let found: Vec<(String, &str, &str)> = scan(text.as_bytes())
        .unwrap()
        .into_iter()
        .map(|field| (field.name.into(), &text[field.key], &text[field.value]))
        .collect();
    let expected =
        [("a", "\"a\"", "1.0"), ("model", "\"mod\\u0065l\"", "\"x\""), ("a", "\"a\"", "[{\"a\":2}]")];
    assert_eq!(found, expected.map(|(name, key, value)| (name.to_owned(), key, value)));
}

#[test]
fn non_object_is_rejected() {
    for bad in ["", "null", "[1]", "{", "{\"a\":}", "{} x", "\"a\"", "{\"a\":01}"] {
        let error = scan(bad.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("the body is not a JSON object: "), "{bad}: {error}");
    }
    assert!(scan(b"{\"a\":\"\xff\"}").unwrap_err().to_string().contains("byte 6"));
}

#[test]
fn deep_nesting_and_lone_surrogates_are_accepted() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(scan(deep.as_bytes()).unwrap().len(), 1);
    assert_eq!(scan(br#"{"a":"\ud800"}"#).unwrap().len(), 1);
}

#[test]
fn edits_keep_all_other_bytes() {
    let set = [Edit::Set("model", "\"new\"")];
    check(r#"{ "model" : "old", "t":1.0 }"#, &set, r#"{ "model" : "new", "t":1.0 }"#);
    check(r#"{"model":"a","x":1,"mod\u0065l":"b"}"#, &set, r#"{"model":"new","x":1,"mod\u0065l":"new"}"#);
    check(r#"{"x":1}"#, &set, r#"{"x":1,"model":"new"}"#);
    check(r"{ }", &set, r#"{"model":"new" }"#);
    check(r"{}", &[Edit::Set("a", "1"), Edit::Set("b", "2")], r#"{"a":1,"b":2}"#);
    check(r#"{"a":1,"b":2}"#, &[Edit::Set("b", "3"), Edit::Set("c", "4")], r#"{"a":1,"b":3,"c":4}"#);

    let remove = [Edit::Remove("x")];
    check(r#"{"x":1,"a":2}"#, &remove, r#"{"a":2}"#);
    check(r#"{"a":2 , "x":1}"#, &remove, r#"{"a":2}"#);
    check(r#"{"a":1, "x":2, "b":3}"#, &remove, r#"{"a":1, "b":3}"#);
    check(r#"{"x":1,"x":2}"#, &remove, r"{}");
    check(r#"{"a":0,"x":1,"x":2}"#, &remove, r#"{"a":0}"#);
    check(r#"{"a":0}"#, &remove, r#"{"a":0}"#);
    check(r#"{"x":1}"#, &[Edit::Remove("x"), Edit::Set("y", "2")], r#"{"y":2}"#);
    check(r#"{"a":0,"x":1}"#, &[Edit::Remove("x"), Edit::Set("y", "2")], r#"{"a":0,"y":2}"#);

    check(r#"{"old":1,"a":2}"#, &[Edit::Rename("old", "new")], r#"{"new":1,"a":2}"#);
}

#[test]
fn parts_are_slices_of_the_body() {
    let raw = body(r#"{"a":1,"model":"old","b":[1, 2]}"#);
    let parts = splice_parts(&raw, &[Edit::Set("model", "\"new\"")]);
    assert_eq!(parts, [r#"{"a":1,"model":"#, r#""new""#, r#","b":[1, 2]}"#]);
    let inside: Vec<bool> =
        parts.iter().map(|part| raw.bytes.as_ptr_range().contains(&part.as_ptr())).collect();
    assert_eq!(inside, [true, false, true]);
    let untouched = splice(&raw, &[Edit::Remove("x")]);
    assert_eq!(untouched.as_ptr(), raw.bytes.as_ptr());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        "[{}\\[\\]\",:\\\\a1 ]{0,24}".prop_map(String::into_bytes),
        "\\{\"[a\\\\ud8]{0,9}\":[1\"\\[{ ]{0,4}\\}".prop_map(String::into_bytes),
    ]) {
        if let Ok(fields) = scan(&bytes) {
            for field in fields {
                prop_assert!(field.key.end < field.value.start && field.value.end < bytes.len());
            }
        }
    }

    #[test]
    fn other_fields_stay_byte_identical(
        names in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..8),
        ws in prop::collection::vec("[ \n]{0,2}", 8 * 4),
        set in prop::option::of(prop::sample::select(vec!["a", "b", "e"])),
        remove in prop::option::of(prop::sample::select(vec!["c", "d"])),
    ) {
        let mut text = String::from("{");
        for (index, name) in names.iter().enumerate() {
            let ws = &ws[index * 4..];
            let comma = if index > 0 { "," } else { "" };
            write!(text, "{comma}{}\"{name}\"{}:{}{index}.0{}", ws[0], ws[1], ws[2], ws[3]).unwrap();
        }
        text.push('}');
        let mut edits = Vec::new();
        edits.extend(set.map(|name| Edit::Set(name, "true")));
        edits.extend(remove.map(Edit::Remove));
        let spliced = splice(&body(&text), &edits);
        let found: Vec<(String, String)> = scan(&spliced)
            .unwrap()
            .into_iter()
            .map(|field| (field.name.into(), String::from_utf8(spliced[field.value].to_vec()).unwrap()))
            .collect();
        let mut expected: Vec<(String, String)> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if remove != Some(name) {
                let value = if set == Some(name) { "true".to_owned() } else { format!("{index}.0") };
                expected.push(((*name).to_owned(), value));
            }
        }
        if let Some(set) = set && !names.contains(&set) {
            expected.push((set.to_owned(), "true".to_owned()));
        }
        prop_assert_eq!(found, expected);
    }
}
