use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const STAMP: Stamp = Stamp { created: 7, unique: 7 };

#[track_caller]
fn check(body: &str, expected: &Expect) {
    let full = complete(&Bytes::copy_from_slice(body.as_bytes()), STAMP, "m");
    expected.assert_eq(std::str::from_utf8(&full).unwrap());
    assert_eq!(
        complete(&full, Stamp { created: 8, unique: 8 }, "n").as_ptr(),
        full.as_ptr(),
        "complete bodies are left alone"
    );
}

#[test]
fn missing_fields_are_added_and_others_kept() {
    check(
        r#" {"choices":[{"message":{}},{"index":1,"message":{"content":"x","tool_calls":[{}]},"extra":1}],"id":null,"citations":["u"] } "#,
        &expect![[
            r#" {"choices":[{"message":{"role":"assistant","content":null,"refusal":null},"index":0,"finish_reason":"stop","logprobs":null},{"index":1,"message":{"content":"x","tool_calls":[{}],"role":"assistant","refusal":null},"extra":1,"finish_reason":"tool_calls","logprobs":null}],"id":"chatcmpl-fb-0000000000000007","citations":["u"] ,"object":"chat.completion","created":7,"model":"m"} "#
        ]],
    );
}

#[test]
fn complete_body_is_unchanged() {
    let body = Bytes::from_static(
        br#"{"id":"a","object":"chat.completion","created":1,"model":"x","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null},"finish_reason":"eos","logprobs":null}]}"#,
    );
    assert_eq!(complete(&body, STAMP, "m").as_ptr(), body.as_ptr());
}

#[test]
fn non_answer_is_unchanged() {
    for body in ["", "<html>", "{}", r#"{"choices":5}"#, r#"{"choices":[{}]}"#, "\u{fffd}"] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        assert_eq!(complete(&body, STAMP, "m"), body);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        complete(&bytes.into(), STAMP, "m");
    }
}
