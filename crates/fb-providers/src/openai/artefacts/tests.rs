use bytes::Bytes;
use fb_core::{Call, CallKey, Overrides};

use super::*;
use crate::preset::{Adapter, COMPATIBLE, PRESETS, Preset};

/// All presets of this dialect.
fn kinds() -> impl Iterator<Item = &'static Preset> {
    let is_openai = |preset: &&Preset| matches!(preset.adapter, Adapter::OpenAi | Adapter::Azure);
    PRESETS.iter().filter(is_openai).chain([&COMPATIBLE])
}

fn preset(kind: &str) -> &'static Preset {
    kinds().find(|preset| preset.name == kind).unwrap()
}

/// Returns the body sent to a provider of this kind, and the notes.
#[track_caller]
fn sent_to(kind: &str, model: &str, body: &str) -> (String, Vec<String>) {
    let request = fb_wire::openai::request(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let overrides = Overrides::default();
    let call =
        Call { request: &request, model, overrides: &overrides, thinking: None, key: CallKey::default() };
    let (sent, notes) = crate::openai::prepared_body(call, preset(kind)).unwrap();
    (sent, notes.iter().map(ToString::to_string).collect())
}

/// A conversation with this assistant message.
fn turn(assistant: &str) -> String {
    format!(
        r#"{{"model":"m", "messages":[ {{"role":"user","content":"q"}}, {{"role":"assistant",{assistant}}} ,{{"role":"user","content":"go on"}}],"x":1.0}}"#
    )
}

fn body(field: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"q"}}]{field} }}"#)
}

const BOUND: &str = "left out: bound to the provider that wrote it";
const MARK: &str = "left out: a mark for another provider's cache";

/// JSON with the artefact between `<<` and `>>`; the path in the note; a kind that accepts it; a kind that does not.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// Artefacts in the assistant message, which is `messages[1]`.
const BOUND_IN_A_TURN: &[Row] = &[
    (
        r#""content":"a"<<,"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]>>"#,
        "reasoning_details",
        "openrouter",
        "openai",
    ),
    (
        r#"<<"thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"s"}], >>"content":"a""#,
        "thinking_blocks",
        "compatible",
        "openrouter",
    ),
    (r#""content":"a"<< ,"encrypted_content":"x">>"#, "encrypted_content", "compatible", "xai"),
    (r#""content":"a"<<,"reasoning":{"encrypted_content":"x"}>>"#, "reasoning", "compatible", "groq"),
    (
        r#""content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}<< , "extra_content":{"google":{"thought_signature":"s"}}>>}, {"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]"#,
        "tool_calls[0].extra_content",
        "gemini",
        "deepseek",
    ),
    (
        r#""content":"a"<<,"extra_content":{"google":{"thought_signature":"s"}}>>"#,
        "extra_content",
        "gemini",
        "vllm",
    ),
    (
        r#""content":[{"type":"text","text":"a"<<,"extra_content":{"google":{"thought":true}}>>}]"#,
        "content[0].extra_content",
        "gemini",
        "compatible",
    ),
    (
        r#""content":[<<{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}, >>{"type":"text","text":"a"}]"#,
        "content[0].thinking",
        "mistral",
        "azure",
    ),
    (
        r#""content":[<<{"type":"thinking","thinking":"hm","signature":"s"},>>{"type":"text","text":"a"}]"#,
        "content[0].thinking",
        "compatible",
        "mistral",
    ),
    (
        r#""content":[{"type":"text","text":"a"}<< , {"type":"redacted_thinking","data":"x"}>>]"#,
        "content[1].redacted_thinking",
        "compatible",
        "together",
    ),
];

/// Fields in the assistant message that some kinds reject.
const REJECTED_IN_A_TURN: &[Row] = &[
    (r#""content":"a"<<,"reasoning_content":"hm">>"#, "reasoning_content", "deepseek", "groq"),
    (r#""content":"a"<<,"reasoning_content":"hm">>"#, "reasoning_content", "moonshot", "cerebras"),
    (r#""content":"a"<<,"reasoning_content":"hm">>"#, "reasoning_content", "compatible", "mistral"),
    (r#""content":"a"<<,"reasoning":"hm">>"#, "reasoning", "cerebras", "mistral"),
];

/// Cache markers in the assistant message.
const MARKS_IN_A_TURN: &[Row] = &[
    (
        r#""content":[{"type":"text","text":"a"<<,"cache_control":{"type":"ephemeral"}>>}]"#,
        "content[0].cache_control",
        "openrouter",
        "openai",
    ),
    (r#""content":"a"<<,"cache_control":{"type":"ephemeral"}>>"#, "cache_control", "dashscope", "fireworks"),
    (
        r#""content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}<<,"cache_control":{"type":"ephemeral"}>>}]"#,
        "tool_calls[0].cache_control",
        "openrouter",
        "gemini",
    ),
    (
        r#""content":[{<<"prompt_cache_breakpoint":{"mode":"explicit"},>>"type":"text","text":"a"}]"#,
        "content[0].prompt_cache_breakpoint",
        "openai",
        "openrouter",
    ),
];

/// Cache markers outside the messages.
const MARKS: &[Row] = &[
    (r#"<<,"cache_control":{"type":"ephemeral"}>>"#, "cache_control", "openrouter", "compatible"),
    (
        r#","tools":[{"type":"function","function":{"name":"f","parameters":{"cache_control":1}}<<,"cache_control":{"type":"ephemeral"}>>}]"#,
        "tools[0].cache_control",
        "dashscope",
        "azure",
    ),
    (
        r#","tools":[{"type":"function","function":{"name":"f"<<,"cache_control":{"type":"ephemeral"}>>}}]"#,
        "tools[0].function.cache_control",
        "openrouter",
        "nvidia",
    ),
    (r#"<<,"prompt_cache_key":"k">>"#, "prompt_cache_key", "mistral", "groq"),
    (r#"<<,"prompt_cache_options":{"mode":"explicit"}>>"#, "prompt_cache_options", "azure", "nvidia"),
    (r#"<<,"prompt_cache_retention":"24h">>"#, "prompt_cache_retention", "openai", "deepseek"),
];

#[derive(Debug)]
struct Case {
    with: String,
    without: String,
    note: String,
    accepted_by: &'static str,
    rejected_by: &'static str,
}

fn cases() -> Vec<Case> {
    type Table = (&'static [Row], fn(&str) -> String, &'static str, &'static str);
    let tables: [Table; 4] = [
        (BOUND_IN_A_TURN, turn, "messages[1].", BOUND),
        (REJECTED_IN_A_TURN, turn, "messages[1].", "left out: the provider rejects it"),
        (MARKS_IN_A_TURN, turn, "messages[1].", MARK),
        (MARKS, body, "", MARK),
    ];
    let case = |(rows, frame, at, what): Table| {
        rows.iter().map(move |(text, path, accepted_by, rejected_by)| {
            let (before, rest) = text.split_once("<<").unwrap();
            let (artefact, after) = rest.split_once(">>").unwrap();
            let with = frame(&format!("{before}{artefact}{after}"));
            let without = frame(&format!("{before}{after}"));
            Case { with, without, note: format!("{at}{path}: {what}"), accepted_by, rejected_by }
        })
    };
    tables.into_iter().flat_map(case).collect()
}

#[test]
fn artefacts_are_sent_only_to_kinds_that_accept_them() {
    for Case { with, without, note, accepted_by, rejected_by } in cases() {
        assert_eq!(sent_to(accepted_by, "m", &with), (with.clone(), Vec::new()), "{accepted_by}");
        assert_eq!(sent_to(rejected_by, "m", &with), (without.clone(), vec![note]), "{rejected_by}");
        assert_eq!(sent_to(rejected_by, "m", &without), (without.clone(), Vec::new()), "{rejected_by}");
    }
}

#[test]
fn every_artefact_has_a_case() {
    for artefact in ARTEFACTS {
        let is_covered = cases().iter().any(|case| {
            let path = case.note.split(": ").next().unwrap();
            path.rsplit('.').next() == Some(artefact.name)
                && artefact.is_accepted_by(case.accepted_by)
                && !artefact.is_accepted_by(case.rejected_by)
        });
        assert!(is_covered, "{artefact:?}");
    }
}

#[test]
fn kinds_exist_and_signatures_are_part_of_names() {
    let mut last: &[u8] = b"";
    let mut seen = Vec::new();
    for artefact in ARTEFACTS {
        let (Recipients::Only(named) | Recipients::AllExcept(named)) = artefact.recipients;
        for kind in named {
            assert!(kinds().any(|preset| preset.name == *kind), "{kind}");
        }
        assert!(artefact.signature.find(quoted(artefact.name).as_bytes()).is_some(), "{artefact:?}");
        let signature = artefact.signature.needle();
        if last != signature {
            assert!(!seen.contains(&signature), "{artefact:?} is not contiguous");
            seen.push(signature);
            last = signature;
        }
    }
}

#[test]
fn names_in_running_text_are_not_matched() {
    let names: Vec<&str> = ARTEFACTS.iter().map(|artefact| artefact.name).collect();
    let text = names.join(", ");
    let quoted = names.iter().map(|name| format!(r#"\"{name}\":1"#)).collect::<Vec<_>>().join(",");
    let properties =
        names.iter().map(|name| format!(r#""{name}":{{"type":"object"}}"#)).collect::<Vec<_>>().join(",");
    let mut bodies: Vec<String> = names.iter().map(|name| turn(&format!(r#""content":"{name}""#))).collect();
    bodies.extend([
        turn(r#""content":"a""#),
        turn(&format!(r#""content":"{text} {{{quoted}}}""#)),
        turn(&format!(r#""content":[{{"type":"text","text":"{{{quoted}}}"}}]"#)),
        turn(&format!(
            r#""content":"","tool_calls":[{{"id":"Ab3456789","type":"function","function":{{"name":"f","arguments":"{{{quoted}}}"}}}}]"#
        )),
        body(&format!(
            r#","tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object","properties":{{{properties}}}}}}}}}]"#
        )),
    ]);
    for preset in kinds() {
        for body in bodies.iter().filter(|body| preset.name != "perplexity" || !body.contains("\"tools\"")) {
            assert_eq!(sent_to(preset.name, "m", body), (body.clone(), Vec::new()), "{}", preset.name);
        }
    }
}

#[test]
fn messages_with_names_in_prose_are_not_parsed() {
    let names: Vec<&str> = ARTEFACTS.iter().map(|artefact| artefact.name).collect();
    let prose = format!(
        r#"[{{"role":"user","content":"{} {{\"{}\":1}}"}}]"#,
        names.join(" "),
        names.join(r#"\",\""#)
    );
    for preset in kinds() {
        assert!(Bound::in_messages(&prose, preset.name).is_empty(), "{}", preset.name);
    }
}

#[test]
fn empty_artefacts_are_removed_without_a_note() {
    for empty in ["null", "\"\"", "[]", "{ }"] {
        let with = turn(&format!(r#""content":"a","reasoning_details":{empty},"reasoning_content":{empty}"#));
        assert_eq!(sent_to("groq", "m", &with), (turn(r#""content":"a""#), Vec::new()), "{empty}");
        let with = body(&format!(r#","prompt_cache_key":{empty}"#));
        assert_eq!(sent_to("groq", "m", &with), (body(""), Vec::new()), "{empty}");
    }
}

#[test]
fn repeated_artefacts_are_noted_once_at_the_first_position() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"q","cache_control":{"a":1}},{"type":"text","text":"q","cache_control":{"a":1}}]},{"role":"assistant","content":"a","reasoning_details":[1]},{"role":"assistant","content":"b","reasoning_details":[1]}]}"#;
    let expected = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"text","text":"q"}]},{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]}"#;
    let notes = [
        format!("messages[0].content[0].cache_control: {MARK}"),
        format!("messages[1].reasoning_details: {BOUND}"),
    ];
    assert_eq!(sent_to("openai", "m", body), (expected.to_owned(), notes.to_vec()));
}

#[test]
fn message_with_only_thinking_becomes_empty() {
    let thinking = r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]"#;
    let note = vec![format!("messages[1].content[0].thinking: {BOUND}")];
    assert_eq!(sent_to("openai", "m", &turn(thinking)), (turn(r#""content":"""#), note.clone()));
    let call = r#","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]"#;
    let expected = turn(&format!(r#""content":null{call}"#));
    assert_eq!(sent_to("openai", "m", &turn(&format!("{thinking}{call}"))), (expected, note));
}

#[test]
fn all_changes_of_a_message_are_combined() {
    let body = r#"{"model":"m","messages":[{"role":"developer","content":"rules","cache_control":{"type":"ephemeral"}},{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"call_abc","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]},{"role":"tool","tool_call_id":"call_abc","content":"ok"}]}"#;
    let expected = r#"{"model":"m","messages":[{"role":"system","content":"rules"},{"role":"assistant","content":null,"tool_calls":[{"id":"WFH8yRA8u","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"WFH8yRA8u","content":"ok"}]}"#;
    let notes = [
        "messages: role developer sent as system".to_owned(),
        format!("messages[0].cache_control: {MARK}"),
        "messages[1].reasoning_content: left out: the provider rejects it".to_owned(),
        format!("messages[1].tool_calls[0].extra_content: {BOUND}"),
    ];
    assert_eq!(sent_to("mistral", "m", body), (expected.to_owned(), notes.to_vec()));
}

#[test]
fn overrides_are_not_removed() {
    let request = fb_wire::openai::request(Bytes::from(body(r#","prompt_cache_key":"k""#))).unwrap();
    let own = vec![("prompt_cache_key".to_owned(), fb_core::Json::parse("\"own\"").unwrap())];
    let call = Call {
        request: &request,
        model: "m",
        overrides: &Overrides(own),
        thinking: None,
        key: CallKey::default(),
    };
    let (sent, notes) = crate::openai::prepared_body(call, preset("groq")).unwrap();
    assert_eq!(sent, body(r#","prompt_cache_key":"own""#));
    assert_eq!(notes, [Note::new("prompt_cache_key", MARK)]);
}

#[test]
fn previous_response_id_is_refused() {
    let stored = body(r#","previous_response_id":"resp_1""#);
    let request = fb_wire::openai::request(Bytes::from(stored)).unwrap();
    let overrides = Overrides::default();
    let call = Call {
        request: &request,
        model: "m",
        overrides: &overrides,
        thinking: None,
        key: CallKey::default(),
    };
    let expected = "previous_response_id: only the account that stored the answer knows it";
    for preset in kinds() {
        let refused = crate::openai::prepared_body(call, preset).err().map(|refusal| refusal.to_string());
        assert_eq!(refused.as_deref(), Some(expected), "{}", preset.name);
    }
}

#[test]
fn unsigned_calls_are_marked_for_newer_google_models() {
    let calls = |first: &str| {
        turn(&format!(
            r#""content":null,"tool_calls":[{{"id":"a","type":"function","function":{{"name":"f","arguments":"{{}}"}}{first}}},{{"id":"b","type":"function","function":{{"name":"g","arguments":"{{}}"}}}}]"#
        ))
        .replace("\"m\"", "\"MODEL\"")
    };
    let sent = |model: &str, body: &str| {
        let (sent, notes) = sent_to("gemini", model, body);
        assert_eq!(notes, [""; 0]);
        sent.replace(&quoted(model), "\"MODEL\"")
    };
    let marked =
        calls(r#","extra_content":{"google":{"thought_signature":"skip_thought_signature_validator"}}"#);
    for model in ["gemini-3.8-flash", "models/gemini-4-pro", "gemini-flash-latest"] {
        assert_eq!(sent(model, &calls("")), marked, "{model}");
    }
    for model in ["gemini-2.5-pro", "models/gemini-1.5-pro", "gemma-3-27b-it"] {
        assert_eq!(sent(model, &calls("")), calls(""), "{model}");
    }
    let signed = calls(r#","extra_content":{"google":{"thought_signature":"s"}}"#);
    assert_eq!(sent("gemini-3.8-flash", &signed), signed);
    let (sent, _) = sent_to("openai", "gemini-3.8-flash", &calls(""));
    assert!(!sent.contains("extra_content"), "{sent}");
}
