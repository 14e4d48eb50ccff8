use std::collections::HashSet;

use super::{Key, KeyBuilder};

fn key(build: impl FnOnce(KeyBuilder) -> KeyBuilder) -> Key {
    build(KeyBuilder::new("test")).finish()
}

#[test]
fn different_fields_give_different_keys() {
    let keys = [
        KeyBuilder::new("").finish(),
        KeyBuilder::new("test2").finish(),
        key(|it| it),
        key(|it| it.absent("a")),
        key(|it| it.part("a", "")),
        key(|it| it.part("a", "\0")),
        key(|it| it.part("", "a")),
        key(|it| it.part("ab", "c")),
        key(|it| it.part("a", "bc")),
        key(|it| it.part("a", "b").part("c", "")),
        key(|it| it.part("a", "").part("b", "c")),
        key(|it| it.part("c", "").part("a", "b")),
        key(|it| it.absent("a").absent("b")),
        key(|it| it.absent("ab")),
        key(|it| it.part("a", "null")),
        key(|it| it.json("a", b"null").unwrap()),
        key(|it| it.json("a", b"\"null\"").unwrap()),
    ];
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
}

#[test]
fn equal_fields_give_equal_keys() {
    let build =
        |tenant: &str| key(|it| it.part("tenant", tenant).absent("seed").json("body", b"[1]").unwrap());
    assert_eq!(build("a"), build("a"));
    assert_ne!(build("a"), build("b"));
}

#[test]
fn key_is_printed_as_hexadecimal_digits() {
    let key = key(|it| it);
    let digits = key.to_string();
    assert_eq!(format!("{key:?}"), digits);
    let parsed: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert_eq!(parsed, key.as_bytes());
}

// Keys may be stored outside of the process.
#[test]
fn keys_are_stable() {
    let key = key(|it| it.part("a", "b").absent("c").json("d", br#"{"e": [1.50, null]}"#).unwrap());
    assert_eq!(key.to_string(), "2d933bf3ca3fc7e64f8a43f2720b14178322fca95eee3b0a9d83c40ed01b3abf");
}

#[test]
fn debug_output_has_no_field_content() {
    assert_eq!(format!("{:?}", KeyBuilder::new("secret")), "KeyBuilder { bytes: 14 }");
}
