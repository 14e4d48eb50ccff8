use expect_test::{Expect, expect};

use super::{FORMS, FaultSchedule, USAGE, keyword};
use crate::fault::Fault;

#[test]
fn every_fault_round_trips() {
    let written = [
        "refuse",
        "reset",
        "reset-on-accept",
        "close-on-accept",
        "stall-headers",
        "stall-body",
        "stall-after=2",
        "drip=1.5ms",
        "cut-at=100",
        "cut-after=3",
        "cut-after=3 reset",
        "end-early=0",
        "status=503",
        r#"status=429 retry-after="Wed, 21 Oct 2026 07:28:00 GMT" x-should-retry=true body={"a": "b  c"}"#,
        "stream-error=2",
        r#"stream-error=2 body={"error":"x"}"#,
        "quota",
        "context-length",
        "empty",
        "malformed",
        "html",
        "wrong-content-type",
        "block=http-400",
        "block=finish-reason",
        "block=refusal",
        "block=mid-stream",
        "close-keep-alive",
        "close-on-next",
        "raw=HTTP/1.1 200 OK\r\n\r\n body=x",
    ];
    for text in written {
        let fault: Fault = text.parse().unwrap();
        assert_eq!(fault.to_string(), text.trim());
    }
    for name in FORMS.iter().copied().map(keyword) {
        assert!(written.iter().any(|text| text.starts_with(name)), "{name} is not tested");
        assert!(USAGE.contains(name), "{name} is missing from the help");
    }
}

#[track_caller]
fn check(text: &str, expected: &Expect) {
    let error = text.parse::<FaultSchedule>().unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn errors_contain_the_expected_syntax() {
    check(
        "statsu=503",
        &expect![
            "unknown fault `statsu`; expected one of refuse, reset, reset-on-accept, close-on-accept, stall-headers, stall-body, stall-after, drip, cut-at, cut-after, end-early, status, stream-error, quota, context-length, empty, malformed, html, wrong-content-type, block, close-keep-alive, close-on-next, raw"
        ],
    );
    check(
        "",
        &expect![
            "missing fault; expected one of refuse, reset, reset-on-accept, close-on-accept, stall-headers, stall-body, stall-after, drip, cut-at, cut-after, end-early, status, stream-error, quota, context-length, empty, malformed, html, wrong-content-type, block, close-keep-alive, close-on-next, raw"
        ],
    );
    check(
        "status",
        &expect!["status: it needs a value; expected `status=CODE [HEADER=VALUE ...] [body=REST]`"],
    );
    check(
        "status=99",
        &expect![
            "status: `99` is not a number from 200 to 999; expected `status=CODE [HEADER=VALUE ...] [body=REST]`"
        ],
    );
    check(
        "status=abc",
        &expect![
            "status: `abc` is not a number from 200 to 999; expected `status=CODE [HEADER=VALUE ...] [body=REST]`"
        ],
    );
    check(
        "status=429 retry-after",
        &expect![
            "status: `retry-after` is not a header; expected `status=CODE [HEADER=VALUE ...] [body=REST]`"
        ],
    );
    check("status=429 retry-after=\"2", &expect![[r#"unclosed quote in `status=429 retry-after="2`"#]]);
    check(
        "status=429 retry\u{e4}after=2",
        &expect![
            "status: `retryäafter=2` is not a valid HTTP header; expected `status=CODE [HEADER=VALUE ...] [body=REST]`"
        ],
    );
    check("drip=soon", &expect!["drip=soon: expected a time, such as drip=50ms or drip=2s"]);
    check("cut-after=2 rst", &expect!["cut-after: unexpected `rst`; expected `cut-after=EVENTS [reset]`"]);
    check("refuse=1", &expect!["refuse: it takes no value; expected `refuse`"]);
    check("refuse body=x", &expect!["refuse: it takes no body; expected `refuse`"]);
    check(
        "block=maybe",
        &expect!["block: unknown form `maybe`; expected `block=http-400|finish-reason|refusal|mid-stream`"],
    );
    check("next=two reset", &expect!["next=two: expected a number, such as next=3"]);
    check("for=5 reset", &expect!["for=5: expected a time, such as for=50ms or for=2s"]);
    check(
        "next=2",
        &expect![
            "missing fault; expected one of refuse, reset, reset-on-accept, close-on-accept, stall-headers, stall-body, stall-after, drip, cut-at, cut-after, end-early, status, stream-error, quota, context-length, empty, malformed, html, wrong-content-type, block, close-keep-alive, close-on-next, raw"
        ],
    );
}

#[test]
fn durations_are_parsed() {
    let schedules: Vec<FaultSchedule> =
        ["reset", " next=2 cut-after=1 reset\n", "for=1.5s refuse"].map(|text| text.parse().unwrap()).into();
    expect![[r#"
        [
            UntilChanged(
                Reset,
            ),
            Next(
                2,
                CutAfterEvents {
                    events: 1,
                    reset: true,
                },
            ),
            For(
                1.5s,
                Refuse,
            ),
        ]
    "#]]
    .assert_debug_eq(&schedules);
}
