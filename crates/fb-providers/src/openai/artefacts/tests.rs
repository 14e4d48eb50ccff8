use bytes::Bytes;
use fb_core::{Call, Overrides};

use super::*;
use crate::preset::{Adapter, COMPATIBLE, PRESETS, Preset};

/// Every kind that is spoken to in this dialect.
fn kinds() -> impl Iterator<Item = &'static Preset> {
    let spoken = |preset: &&Preset| matches!(preset.adapter, Adapter::OpenAi | Adapter::Azure);
    PRESETS.iter().filter(spoken).chain([&COMPATIBLE])
}

fn preset(kind: &str) -> &'static Preset {
    kinds().find(|preset| preset.name == kind).unwrap()
}

/// What a body is sent as to a provider of this kind, and the notes of it.
#[track_caller]
fn sent_to(kind: &str, model: &str, body: &str) -> (String, Vec<String>) {
    let request = fb_wire::openai::request(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let overrides = Overrides::default();
    let call = Call { request: &request, model, overrides: &overrides };
    let (sent, notes) = crate::openai::prepared(call, preset(kind)).unwrap();
    (sent, notes.iter().map(ToString::to_string).collect())
}

/// A conversation with this turn of the assistant in it.
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

/// What stands where, the artefact between `<<` and `>>`; the path in its note; a kind it goes to; one it does not go to.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// In the assistant's turn, which is `messages[1]`.
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

/// The same.
const REJECTED_IN_A_TURN: &[Row] = &[
    (r#""content":"a"<<,"reasoning_content":"hm">>"#, "reasoning_content", "deepseek", "groq"),
    (r#""content":"a"<<,"reasoning_content":"hm">>"#, "reasoning_content", "moonshot", "cerebras"),
    (r#""content":"a"<<,"reasoning_content":"hm">>"#, "reasoning_content", "compatible", "mistral"),
    (r#""content":"a"<<,"reasoning":"hm">>"#, "reasoning", "cerebras", "mistral"),
];

/// The same.
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

/// Beside the messages.
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
    goes: &'static str,
    not: &'static str,
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
        rows.iter().map(move |(text, path, goes, not)| {
            let (before, rest) = text.split_once("<<").unwrap();
            let (artefact, after) = rest.split_once(">>").unwrap();
            let with = frame(&format!("{before}{artefact}{after}"));
            let without = frame(&format!("{before}{after}"));
            Case { with, without, note: format!("{at}{path}: {what}"), goes, not }
        })
    };
    tables.into_iter().flat_map(case).collect()
}

#[test]
fn each_goes_to_its_own_as_it_came_and_to_no_other() {
    for Case { with, without, note, goes, not } in cases() {
        assert_eq!(sent_to(goes, "m", &with), (with.clone(), Vec::new()), "{goes}");
        assert_eq!(sent_to(not, "m", &with), (without.clone(), vec![note]), "{not}");
        assert_eq!(sent_to(not, "m", &without), (without.clone(), Vec::new()), "{not}");
    }
}

/// A row without a case would be believed unseen.
#[test]
fn each_row_has_a_case() {
    for artefact in ARTEFACTS {
        let seen = cases().iter().any(|case| {
            let path = case.note.split(": ").next().unwrap();
            path.rsplit('.').next() == Some(artefact.name)
                && artefact.goes_to(case.goes)
                && !artefact.goes_to(case.not)
        });
        assert!(seen, "{artefact:?}");
    }
}

#[test]
fn the_rows_name_kinds_that_there_are_and_signs_that_are_in_their_names() {
    let mut sign = "";
    let mut before = Vec::new();
    for artefact in ARTEFACTS {
        let (Goes::To(named) | Goes::ToAllBut(named)) = artefact.goes;
        for kind in named {
            assert!(kinds().any(|preset| preset.name == *kind), "{kind}");
        }
        assert!(holds(&quoted(artefact.name), artefact.sign), "{artefact:?}");
        if sign != artefact.sign {
            assert!(!before.contains(&artefact.sign), "{:?} stands in two places", artefact.sign);
            before.push(artefact.sign);
            sign = artefact.sign;
        }
    }
}

#[test]
fn what_only_speaks_of_them_is_sent_as_it_came() {
    let names: Vec<&str> = ARTEFACTS.iter().map(|artefact| artefact.name).collect();
    let spoken = names.join(", ");
    let quoted = names.iter().map(|name| format!(r#"\"{name}\":1"#)).collect::<Vec<_>>().join(",");
    let properties =
        names.iter().map(|name| format!(r#""{name}":{{"type":"object"}}"#)).collect::<Vec<_>>().join(",");
    let mut bodies: Vec<String> = names.iter().map(|name| turn(&format!(r#""content":"{name}""#))).collect();
    bodies.extend([
        turn(r#""content":"a""#),
        turn(&format!(r#""content":"{spoken} {{{quoted}}}""#)),
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
fn prose_about_them_is_not_parsed() {
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
fn what_holds_nothing_goes_without_a_word() {
    for empty in ["null", "\"\"", "[]", "{ }"] {
        let with = turn(&format!(r#""content":"a","reasoning_details":{empty},"reasoning_content":{empty}"#));
        assert_eq!(sent_to("groq", "m", &with), (turn(r#""content":"a""#), Vec::new()), "{empty}");
        let with = body(&format!(r#","prompt_cache_key":{empty}"#));
        assert_eq!(sent_to("groq", "m", &with), (body(""), Vec::new()), "{empty}");
    }
}

#[test]
fn each_thing_is_noted_once_with_its_first_place() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"q","cache_control":{"a":1}},{"type":"text","text":"q","cache_control":{"a":1}}]},{"role":"assistant","content":"a","reasoning_details":[1]},{"role":"assistant","content":"b","reasoning_details":[1]}]}"#;
    let left = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"text","text":"q"}]},{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]}"#;
    let notes = [
        format!("messages[0].content[0].cache_control: {MARK}"),
        format!("messages[1].reasoning_details: {BOUND}"),
    ];
    assert_eq!(sent_to("openai", "m", body), (left.to_owned(), notes.to_vec()));
}

#[test]
fn a_turn_of_nothing_but_thinking_says_nothing() {
    let thinking = r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]"#;
    let note = vec![format!("messages[1].content[0].thinking: {BOUND}")];
    assert_eq!(sent_to("openai", "m", &turn(thinking)), (turn(r#""content":"""#), note.clone()));
    let call = r#","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]"#;
    let left = turn(&format!(r#""content":null{call}"#));
    assert_eq!(sent_to("openai", "m", &turn(&format!("{thinking}{call}"))), (left, note));
}

#[test]
fn a_message_is_rewritten_once_for_all_that_it_needs() {
    let body = r#"{"model":"m","messages":[{"role":"developer","content":"rules","cache_control":{"type":"ephemeral"}},{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"call_abc","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]},{"role":"tool","tool_call_id":"call_abc","content":"ok"}]}"#;
    let left = r#"{"model":"m","messages":[{"role":"system","content":"rules"},{"role":"assistant","content":null,"tool_calls":[{"id":"WFH8yRA8u","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"WFH8yRA8u","content":"ok"}]}"#;
    let notes = [
        "messages: role developer sent as system".to_owned(),
        format!("messages[0].cache_control: {MARK}"),
        "messages[1].reasoning_content: left out: the provider rejects it".to_owned(),
        format!("messages[1].tool_calls[0].extra_content: {BOUND}"),
    ];
    assert_eq!(sent_to("mistral", "m", body), (left.to_owned(), notes.to_vec()));
}

#[test]
fn a_target_s_own_settings_are_no_caller_s() {
    let request = fb_wire::openai::request(Bytes::from(body(r#","prompt_cache_key":"k""#))).unwrap();
    let own = vec![("prompt_cache_key".to_owned(), fb_core::Json::parse("\"own\"").unwrap())];
    let call = Call { request: &request, model: "m", overrides: &Overrides(own) };
    let (sent, notes) = crate::openai::prepared(call, preset("groq")).unwrap();
    assert_eq!(sent, body(r#","prompt_cache_key":"own""#));
    assert_eq!(notes, [Note::new("prompt_cache_key", MARK)]);
}

#[test]
fn a_conversation_that_is_stored_elsewhere_is_refused() {
    let stored = body(r#","previous_response_id":"resp_1""#);
    let request = fb_wire::openai::request(Bytes::from(stored)).unwrap();
    let overrides = Overrides::default();
    let call = Call { request: &request, model: "m", overrides: &overrides };
    let said = "previous_response_id: only the account that stored the answer knows it";
    for preset in kinds() {
        let refused = crate::openai::prepared(call, preset).err().map(|refusal| refusal.to_string());
        assert_eq!(refused.as_deref(), Some(said), "{}", preset.name);
    }
}

#[test]
fn google_s_newer_models_are_told_which_calls_are_not_theirs() {
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
    let told =
        calls(r#","extra_content":{"google":{"thought_signature":"skip_thought_signature_validator"}}"#);
    for model in ["gemini-3.8-flash", "models/gemini-4-pro", "gemini-flash-latest"] {
        assert_eq!(sent(model, &calls("")), told, "{model}");
    }
    for model in ["gemini-2.5-pro", "models/gemini-1.5-pro", "gemma-3-27b-it"] {
        assert_eq!(sent(model, &calls("")), calls(""), "{model}");
    }
    let signed = calls(r#","extra_content":{"google":{"thought_signature":"s"}}"#);
    assert_eq!(sent("gemini-3.8-flash", &signed), signed);
    let (sent, _) = sent_to("openai", "gemini-3.8-flash", &calls(""));
    assert!(!sent.contains("extra_content"), "{sent}");
}
