use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// The events of a stream that comes in pieces of these sizes, then whole.
fn decode(input: &[u8], cuts: &[usize]) -> Vec<SseEvent> {
    let mut decoder = SseDecoder::new(1 << 20);
    let mut out = Vec::new();
    let mut rest = Bytes::copy_from_slice(input);
    for cut in cuts {
        let piece = rest.split_to((*cut).min(rest.len()));
        decoder.push(&piece, &mut out).unwrap();
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
fn streams_read_as_providers_send_them() {
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
fn an_endless_event_is_an_error_and_not_memory() {
    let mut decoder = SseDecoder::new(100);
    let mut out = Vec::new();
    let piece = Bytes::from_static(b"data: 0123456789");
    let error = (0..20).find_map(|_| decoder.push(&piece, &mut out).err());
    assert_eq!(error, Some(TooLarge { limit: 100 }));
    let mut decoder = SseDecoder::new(10);
    let whole = Bytes::from_static(b"data: 0123456789\n\n");
    assert_eq!(decoder.push(&whole, &mut out), Err(TooLarge { limit: 10 }));
}

#[test]
fn what_is_printed_is_read_again() {
    let mut out = BytesMut::new();
    put_event(Some("ping"), b"{}", &mut out);
    out.extend_from_slice(&event(None, b"[DONE]"));
    check(std::str::from_utf8(&out).unwrap(), &[("ping", "{}"), ("", "[DONE]")]);
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
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
        prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn every_split_gives_the_same_events_and_all_bytes(
        input in input(),
        cuts in prop::collection::vec(0usize..9, 0..60),
    ) {
        let whole = decode(&input, &[]);
        let split = decode(&input, &cuts);
        prop_assert_eq!(&whole, &split);
        let raw: Vec<u8> = split.iter().flat_map(|event| event.raw.to_vec()).collect();
        prop_assert_eq!(raw, input);
    }
}
