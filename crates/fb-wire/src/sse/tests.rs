use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Decodes a stream split into chunks of these sizes and the rest.
fn decode(input: &[u8], cuts: &[usize]) -> Vec<SseEvent> {
    let mut decoder = SseDecoder::new(1 << 20);
    let mut out = Vec::new();
    let mut rest = Bytes::copy_from_slice(input);
    for cut in cuts {
        let chunk = rest.split_to((*cut).min(rest.len()));
        decoder.push(&chunk, &mut out).unwrap();
    }
    decoder.push(&rest, &mut out).unwrap();
    decoder.finish(&mut out);
    out
}

#[track_caller]
fn check(input: &str, expected: &[(&str, &str)]) {
    let events = decode(input.as_bytes(), &[]);
    let found: Vec<(&str, &str)> =
        events.iter().map(|e| (e.event.as_str(), std::str::from_utf8(&e.data).unwrap())).collect();
    assert_eq!(found, expected, "{input:?}");
}

#[test]
fn streams_of_providers_are_decoded() {
    check("data: {\"a\":1}\n\ndata: [DONE]\n\n", &[("", "{\"a\":1}"), ("", "[DONE]")]);
    check("event: ping\r\ndata: {}\r\n\r\n", &[("ping", "{}")]);
    check("data: a\r\rdata: b\r\r", &[("", "a"), ("", "b")]);
    check("\u{feff}data: a\n\n", &[("", "a")]);
    check(": keep-alive\n\ndata:x\n\n", &[("", ""), ("", "x")]);
    check("data: a\ndata:  b\ndata\n\n", &[("", "a\n b\n")]);
    check("id: 7\nretry: 10\ndata: a\n\n", &[("", "a")]);
    check("data: no last empty line", &[("", "no last empty line")]);
    check("data: line\u{2028}separator\u{85}stays\n\n", &[("", "line\u{2028}separator\u{85}stays")]);
    check("\n\n  \ndata: a\n\n", &[("", ""), ("", ""), ("", "a")]);
    check("", &[]);
}

#[test]
fn event_above_the_limit_is_an_error() {
    let mut decoder = SseDecoder::new(100);
    let mut out = Vec::new();
    let chunk = Bytes::from_static(b"data: 0123456789");
    let error = (0..20).find_map(|_| decoder.push(&chunk, &mut out).err());
    assert_eq!(error, Some(TooLarge { limit: 100 }));
    let mut decoder = SseDecoder::new(10);
    let whole = Bytes::from_static(b"data: 0123456789\n\n");
    assert_eq!(decoder.push(&whole, &mut out), Err(TooLarge { limit: 10 }));
}

#[test]
fn printed_events_are_decoded_again() {
    let mut out = BytesMut::new();
    put_event(Some("ping"), b"{}", &mut out);
    out.extend_from_slice(&event(None, b"[DONE]"));
    check(std::str::from_utf8(&out).unwrap(), &[("ping", "{}"), ("", "[DONE]")]);
}

#[test]
fn line_ends_in_content_do_not_end_the_event() {
    let tricky = event(Some("x"), b"a\n\nevent: y\r\ndata: z\r");
    check(std::str::from_utf8(&tricky).unwrap(), &[("x", "a\n\nevent: y\ndata: z\n")]);
    assert_eq!(event(None, b""), "data: \n\n");
    assert_eq!(comment("keep-alive"), ": keep-alive\n\n");
    let tricky = comment("a\n\ndata: b");
    check(std::str::from_utf8(&tricky).unwrap(), &[("", "")]);
}

#[test]
fn only_events_that_span_chunks_are_copied() {
    let mut decoder = SseDecoder::new(MAX_EVENT);
    let mut out = Vec::new();
    decoder.push(&Bytes::from_static(b"data: a"), &mut out).unwrap();
    let chunk = Bytes::from(b"b\n\ndata: c\n\ndata: d\n\n".to_vec());
    decoder.push(&chunk, &mut out).unwrap();
    let inside: Vec<bool> =
        out.iter().map(|event| chunk.as_ptr_range().contains(&event.raw.as_ptr())).collect();
    assert_eq!(inside, [false, true, true]);
}

#[test]
fn long_event_in_small_chunks_is_copied_once() {
    let mut decoder = SseDecoder::new(MAX_EVENT);
    decoder.pending.reserve(1 << 16);
    let address = decoder.pending.as_ptr();
    let mut out = Vec::new();
    for _ in 0..1_000 {
        decoder.push(&Bytes::from_static(b"data: 0123456789"), &mut out).unwrap();
    }
    assert_eq!(decoder.pending.as_ptr(), address);
    decoder.push(&Bytes::from_static(b"\n\n"), &mut out).unwrap();
    assert_eq!(out[0].raw.as_ptr(), address);
}

#[test]
fn event_of_exactly_the_limit_is_accepted() {
    let input = b"data: 012\n\n";
    for limit in [input.len() - 1, input.len()] {
        for cut in 0..=input.len() {
            let mut decoder = SseDecoder::new(limit);
            let (mut out, mut whole) = (Vec::new(), Bytes::from_static(input));
            let first = whole.split_to(cut);
            let result = decoder.push(&first, &mut out).and_then(|()| decoder.push(&whole, &mut out));
            assert_eq!(result.is_ok(), limit == input.len(), "limit {limit}, cut {cut}");
        }
    }
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec![
        "data: {\"a\":1}",
        "data:",
        "event: x",
        ":c",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\r\n\r\n",
        "é😀",
        "\u{feff}",
        " ",
        "id: 1",
    ]);
    prop_oneof![
        prop::collection::vec(lines, 0..30).prop_map(|lines| lines.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn events_do_not_depend_on_the_split(
        input in input(),
        cuts in prop::collection::vec(0usize..9, 0..60),
    ) {
        let whole = decode(&input, &[]);
        let split = decode(&input, &cuts);
        prop_assert_eq!(&whole, &split);
        let raw: Vec<u8> = split.iter().flat_map(|event| event.raw.to_vec()).collect();
        prop_assert_eq!(raw, input);
    }

    #[test]
    fn printing_changes_only_line_ends(text in "[a\n\r: é]{0,20}") {
        let events = decode(&event(None, text.as_bytes()), &[]);
        let expected = text.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(&events[0].data, expected.as_bytes());
    }
}
