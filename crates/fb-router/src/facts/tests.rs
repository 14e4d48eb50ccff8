use bytes::Bytes;
use fb_core::{Dialect, Extra, Field, Head, Image, ImageSource, Json, Message, RawBody, Role, Schema, Tool};

use super::*;

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn tool() -> Tool {
    Tool { name: "look".to_owned(), description: None, parameters: None, strict: None }
}

fn image() -> Part {
    Part::Image(Image { source: ImageSource::Url("https://example.com/a.png".to_owned()), detail: None })
}

/// A raw body of 40 bytes that `parse` parses.
fn raw(head: Head, fields: &[&str], parse: fn(&RawBody) -> Result<Chat, InvalidRequest>) -> ChatRequest {
    let field = |name: &&str| Field { name: (*name).into(), key: 0..0, value: 0..0 };
    let body = RawBody {
        dialect: Dialect::Anthropic,
        bytes: Bytes::from_static(&[b' '; 40]),
        fields: fields.iter().map(field).collect(),
        headers: Vec::new(),
        parse,
    };
    ChatRequest::from_raw(head, body)
}

fn unreadable(_: &RawBody) -> Result<Chat, InvalidRequest> {
    Err(InvalidRequest::body("parsed"))
}

#[expect(clippy::unnecessary_wraps, reason = "a dialect's own parse may fail")]
fn own_tool(_: &RawBody) -> Result<Chat, InvalidRequest> {
    Ok(Chat { tools: vec![tool()], ..Chat::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "a dialect's own parse may fail")]
fn provider_tool(_: &RawBody) -> Result<Chat, InvalidRequest> {
    let search = json(r#"{"type":"web_search"}"#);
    let extra = Extra { path: "tools[0]".to_owned(), name: "tools".to_owned(), value: search };
    Ok(Chat { extra: vec![extra], ..Chat::default() })
}

#[test]
fn unparsed_head_assumes_the_worst_case() {
    let head = Head { stream: true, max_tokens: Some(9), tools: true, ..Head::default() };
    let expected = Facts {
        needs: Needs { tools: true, streaming: true, ..Needs::default() },
        input_tokens: 10,
        max_output: Some(9),
        server_tools: true,
        ..Facts::default()
    };
    assert_eq!(Facts::from_request(&raw(head, &["messages", "tools"], unreadable)), expected);

    let plain = Facts { input_tokens: 10, ..Facts::default() };
    assert_eq!(Facts::from_request(&raw(Head::default(), &["messages"], unreadable)), plain);
    let remote = Facts { server_tools: true, ..plain };
    assert_eq!(Facts::from_request(&raw(Head::default(), &["messages", "mcp_servers"], unreadable)), remote);
}

#[test]
fn typed_content_is_read_completely() {
    let chat = Chat {
        messages: vec![
            Message::text(Role::System, "1234"),
            Message { role: Role::User, name: None, parts: vec![Part::Text("56".to_owned()), image()] },
        ],
        tools: vec![tool()],
        parallel_tools: Some(true),
        format: Format::JsonSchema(Schema {
            name: "s".to_owned(),
            description: None,
            schema: json("{}"),
            strict: None,
        }),
        max_tokens: Some(7),
        ..Chat::default()
    };
    let expected = Facts {
        needs: Needs { tools: true, parallel_tools: true, json_schema: true, vision: true, streaming: false },
        // 12 bytes and an image.
        input_tokens: 3 + IMAGE_TOKENS,
        max_output: Some(7),
        server_tools: false,
        ..Facts::default()
    };
    assert_eq!(Facts::from_request(&ChatRequest::from_chat("default", chat)), expected);
}

#[test]
fn body_is_parsed_only_if_the_head_is_not_enough() {
    let target = "a/m".parse().unwrap();
    let all = Candidate::new(&target);
    let able = all.capabilities;
    let with = |capabilities| Candidate { capabilities, ..all.clone() };
    let blind = with(fb_core::Capabilities { vision: false, ..able });
    let loose = with(fb_core::Capabilities { json_schema: false, ..able });
    let roomy = with(fb_core::Capabilities { context: Some(10), ..able });
    let small = with(fb_core::Capabilities { context: Some(9), ..able });
    let single = Candidate { parallel_tools: false, ..all.clone() };
    let (plain, tools) = (Head::default(), Head { tools: true, ..Head::default() });
    for (head, candidate, strategy, parsed) in [
        (&plain, &all, Strategy::Priority, false),
        (&plain, &all, Strategy::Hedged, false),
        (&plain, &roomy, Strategy::Priority, false),
        (&plain, &single, Strategy::Priority, false),
        (&plain, &blind, Strategy::Priority, true),
        (&plain, &loose, Strategy::Priority, true),
        (&plain, &small, Strategy::Priority, true),
        (&tools, &all, Strategy::Priority, false),
        (&tools, &single, Strategy::Priority, true),
        (&tools, &all, Strategy::Hedged, true),
        (&tools, &all, Strategy::Race, true),
    ] {
        let request = raw(head.clone(), &["messages"], unreadable);
        let found = Facts::for_candidates(&request, std::slice::from_ref(candidate), strategy);
        assert_eq!(found.is_err(), parsed, "{head:?} {candidate:?} {strategy:?}");
    }
}

#[test]
fn client_tools_are_not_server_tools() {
    let head = Head { tools: true, ..Head::default() };
    for (parse, server_tools) in [(own_tool as fn(&_) -> _, false), (provider_tool, true)] {
        let request = raw(head.clone(), &["tools"], parse);
        assert_eq!(Facts::for_candidates(&request, &[], Strategy::Race).unwrap().server_tools, server_tools);
    }
}

#[test]
fn tokens_are_a_quarter_of_the_bytes_rounded_up() {
    let estimates = [0, 1, 4, 5, u64::MAX].map(estimate_tokens);
    assert_eq!(estimates, [0, 1, 1, 2, u64::MAX / 4 + 1]);
}

#[test]
fn cost_of_text_is_estimated_without_parsing_it_and_that_of_media_without_keeping_it() {
    let cost = |text: &str, parse| {
        let bytes = Bytes::from(text.repeat(5_000usize.div_ceil(text.len())));
        let size = bytes.len();
        let body =
            RawBody { dialect: Dialect::OpenAi, bytes, fields: Vec::new(), headers: Vec::new(), parse };
        let request = ChatRequest::from_raw(Head::default(), body);
        let facts = Facts::for_cost(&request);
        assert!(request.parsed().is_none(), "{text}");
        (facts.input_tokens, estimate_tokens(super::size(size)), facts.server_tools)
    };
    let long_word = "x".repeat(BASE64_RUN - 1) + " ";
    for text in [
        "all of the text ",
        "\u{e9}\u{20ac} ",
        "{\"role\":\"user\"},",
        "an image, \\n\\\"quoted\\\" ",
        &long_word,
    ] {
        let (tokens, by_bytes, parsed) = cost(text, provider_tool);
        assert_eq!((tokens, parsed), (by_bytes, false), "{text}");
        assert_eq!(cost(text, unreadable).0, by_bytes);
    }
    for text in ["iVBORw0KGgo", r"caf\u00e9 ", r#"{"type":"image_url"},"#, r#"{"images":[]},"#, r"AA\/BB\n"] {
        let (tokens, _, parsed) = cost(text, provider_tool);
        assert_eq!((tokens, parsed), (0, true), "{text}");
        let (tokens, by_bytes, _) = cost(text, unreadable);
        assert_eq!(tokens, by_bytes, "{text}: as text if it cannot be parsed");
    }
}
