#![expect(clippy::too_many_lines, reason = "a test is a table")]

use std::fmt::Write;

use bytes::Bytes;
use expect_test::{Expect, expect};
use fb_core::{Extra, Json, Message, Note, Part, Role};
use serde_json::Value;

use super::*;

/// An old model that accepts everything, a middle one, and a new one that accepts the least.
const HAIKU: &str = "claude-haiku-4-5";
const SONNET: &str = "claude-sonnet-4-6";
const OPUS: &str = "claude-opus-5-5";

const HI: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

/// Parses an OpenAI body with these fields; the default message is "hi".
fn openai(fields: &str) -> Chat {
    let messages = if fields.contains(r#""messages""#) { String::new() } else { format!("{HI},") };
    let body = format!(r#"{{"model":"m",{messages}{fields}}}"#).replace(",}", "}");
    let request = crate::openai::request(Bytes::from(body)).unwrap();
    request.chat().unwrap().clone()
}

fn body_of(chat: &Chat, model: &str) -> Result<(Value, Vec<Note>), Refusal> {
    let read = |encoded: Encoded| (serde_json::from_slice(&encoded.body).unwrap(), encoded.notes);
    encode(chat, model, false, &Limits::for_model(model)).map(read)
}

/// Shows the differences of the body from that of a plain "hi", and the notes, or the refusal.
fn encoded(model: &str, fields: &str) -> String {
    let (bare, _) = body_of(&openai(""), model).unwrap();
    let mut out = String::new();
    match body_of(&openai(fields), model) {
        Ok((body, notes)) => {
            for (name, value) in body.as_object().unwrap() {
                if bare.get(name) != Some(value) {
                    writeln!(out, "{name}: {value}").unwrap();
                }
            }
            for note in notes {
                writeln!(out, "~ {note}").unwrap();
            }
        }
        Err(refusal) => writeln!(out, "! {refusal}").unwrap(),
    }
    out
}

/// A model, fields of an OpenAI body, and the expected result.
type Row<'a> = (&'a str, &'a str, Expect);

fn check<const N: usize>(rows: [Row<'_>; N]) {
    for (model, fields, expected) in rows {
        expected.assert_eq(&encoded(model, fields));
    }
}

/// Checks short rows, see [`check`].
#[track_caller]
fn table(rows: &[(&str, &str)], expected: &Expect) {
    let mut table = String::new();
    for (model, fields) in rows {
        writeln!(table, "{model}  {fields}").unwrap();
        for line in encoded(model, fields).lines() {
            writeln!(table, "    {line}").unwrap();
        }
    }
    expected.assert_eq(&table);
}

#[test]
fn messages_become_alternating_turns() {
    check([
        (
            SONNET,
            r#""messages":[{"role":"system","content":"a"},{"role":"developer","content":"b"},{"role":"user","content":"hi"}]"#,
            expect![[r#"
                system: [{"text":"a","type":"text"},{"text":"b","type":"text"}]
            "#]],
        ),
        (
            SONNET,
            r#""messages":[{"role":"user","content":"1"},{"role":"system","content":"s"},{"role":"user","content":"2"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"1","type":"text"},{"text":"<system>\ns\n</system>","type":"text"},{"text":"2","type":"text"}],"role":"user"}]
                ~ messages[1].role: became user text: the model takes no system message at this place
            "#]],
        ),
        (
            OPUS,
            r#""messages":[{"role":"user","content":"1"},{"role":"system","content":"s"},{"role":"assistant","content":"2"},{"role":"user","content":"3"},{"role":"system","content":"t"},{"role":"system","content":"u"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"1","type":"text"}],"role":"user"},{"content":[{"text":"s","type":"text"}],"role":"system"},{"content":[{"text":"2","type":"text"}],"role":"assistant"},{"content":[{"text":"3","type":"text"}],"role":"user"},{"content":[{"text":"t","type":"text"},{"text":"u","type":"text"}],"role":"system"}]
            "#]],
        ),
        (
            OPUS,
            r#""messages":[{"role":"user","content":"1"},{"role":"system","content":"s"},{"role":"user","content":"2"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"1","type":"text"},{"text":"<system>\ns\n</system>","type":"text"},{"text":"2","type":"text"}],"role":"user"}]
                ~ messages[1].role: became user text: the model takes no system message at this place
            "#]],
        ),
        (
            SONNET,
            r#""messages":[{"role":"user","content":"1"},{"role":"user","content":"2"}]"#,
            expect![[r#"
            messages: [{"content":[{"text":"1","type":"text"},{"text":"2","type":"text"}],"role":"user"}]
        "#]],
        ),
        (
            HAIKU,
            r#""messages":[{"role":"user","content":"1"},{"role":"assistant","content":"2 \n"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"1","type":"text"}],"role":"user"},{"content":[{"text":"2","type":"text"}],"role":"assistant"}]
            "#]],
        ),
        (
            SONNET,
            r#""messages":[{"role":"user","content":"1"},{"role":"assistant","content":"2"}]"#,
            expect![[r#"
                ! messages[1]: the model does not continue an answer it is given
            "#]],
        ),
        (
            SONNET,
            r#""messages":[{"role":"assistant","content":"1"},{"role":"user","content":"2"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"…","type":"text"}],"role":"user"},{"content":[{"text":"1","type":"text"}],"role":"assistant"},{"content":[{"text":"2","type":"text"}],"role":"user"}]
                ~ messages: a user turn "…" was put first: Anthropic wants one
            "#]],
        ),
        (
            SONNET,
            r#""messages":[{"role":"system","content":"alone"}]"#,
            expect![[r#"
            messages: [{"content":[{"text":"…","type":"text"}],"role":"user"}]
            system: [{"text":"alone","type":"text"}]
            ~ messages: a user turn "…" was put first: Anthropic wants one
        "#]],
        ),
        (
            SONNET,
            r#""messages":[{"role":"user","name":"Ann","content":"1"}]"#,
            expect![[r#"
            messages: [{"content":[{"text":"1","type":"text"}],"role":"user"}]
            ~ messages[0].name: dropped: Anthropic's speakers have no names
        "#]],
        ),
        (
            SONNET,
            r#""messages":[{"role":"user","content":"1"},{"role":"assistant","content":null,"refusal":"no"},{"role":"user","content":"2"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"1","type":"text"}],"role":"user"},{"content":[{"text":"no","type":"text"}],"role":"assistant"},{"content":[{"text":"2","type":"text"}],"role":"user"}]
            "#]],
        ),
    ]);
}

#[test]
fn tools_and_tool_choice() {
    const F: &str = r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}},{"type":"function","function":{"name":"g"}}]"#;
    let with = |more: &str| format!("{F},{more}");
    let named = with(r#""tool_choice":{"type":"function","function":{"name":"g"}}"#);
    let required = with(r#""tool_choice":"required""#);
    let allowed = with(
        r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}"#,
    );
    let thinking = with(r#""reasoning_effort":"low","tool_choice":"required""#);
    check([
        (
            SONNET,
            F,
            expect![[r#"
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
        "#]],
        ),
        (
            SONNET,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{}}}}]"#,
            expect![[r#"
                tools: [{"input_schema":{"properties":{},"type":"object"},"name":"f"}]
            "#]],
        ),
        (
            SONNET,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":[]}}]"#,
            expect![[r#"
            ! tools[0].function.parameters: is no JSON schema of an object
        "#]],
        ),
        (
            SONNET,
            r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#,
            expect![[r#"
            ! tools[0]: a tool of a kind that only its own provider has
        "#]],
        ),
        (
            SONNET,
            r#""tools":[{"type":"web_search"}]"#,
            expect![[r#"
            ! tools[0]: a tool of a kind that only its own provider has
        "#]],
        ),
        (
            SONNET,
            &with(r#""tool_choice":"none""#),
            expect![[r#"
            tool_choice: {"type":"none"}
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
        "#]],
        ),
        (
            SONNET,
            &required,
            expect![[r#"
            tool_choice: {"type":"any"}
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
        "#]],
        ),
        (
            OPUS,
            &required,
            expect![[r#"
            tool_choice: {"type":"auto"}
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
            ~ tool_choice: became auto: neither this model nor one that thinks can be forced
        "#]],
        ),
        (
            SONNET,
            &thinking,
            expect![[r#"
            output_config: {"effort":"low"}
            thinking: {"type":"adaptive"}
            tool_choice: {"type":"auto"}
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
            ~ tool_choice: became auto: neither this model nor one that thinks can be forced
        "#]],
        ),
        (
            SONNET,
            &named,
            expect![[r#"
            tool_choice: {"name":"g","type":"tool"}
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
        "#]],
        ),
        (
            OPUS,
            &named,
            expect![[r#"
            tool_choice: {"type":"auto"}
            tools: [{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
            ~ tool_choice: became auto with this one tool: neither this model nor one that thinks can be forced
        "#]],
        ),
        (
            SONNET,
            &with(r#""tool_choice":{"type":"function","function":{"name":"h"}}"#),
            expect![[r#"
            ! tool_choice: names a tool that is not declared
        "#]],
        ),
        (
            SONNET,
            &allowed,
            expect![[r#"
            tool_choice: {"type":"any"}
            tools: [{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
            ~ tool_choice: tools that are not allowed were left out
        "#]],
        ),
        (
            OPUS,
            &allowed,
            expect![[r#"
            tool_choice: {"type":"auto"}
            tools: [{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
            ~ tool_choice: tools that are not allowed were left out
            ~ tool_choice: became auto: neither this model nor one that thinks can be forced
        "#]],
        ),
        (
            SONNET,
            &with(r#""tool_choice":{"type":"custom","custom":{"name":"f"}}"#),
            expect![[r#"
            ! tool_choice: Anthropic has no such choice
        "#]],
        ),
        (
            SONNET,
            &with(r#""parallel_tool_calls":false"#),
            expect![[r#"
            tool_choice: {"disable_parallel_tool_use":true,"type":"auto"}
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
        "#]],
        ),
        (
            SONNET,
            &with(r#""parallel_tool_calls":false,"tool_choice":"required""#),
            expect![[r#"
            tool_choice: {"disable_parallel_tool_use":true,"type":"any"}
            tools: [{"description":"d","input_schema":{"properties":{"a":{"type":"integer"}},"type":"object"},"name":"f"},{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
        "#]],
        ),
        (SONNET, r#""parallel_tool_calls":false,"tool_choice":"auto","tools":[]"#, expect![""]),
        (
            SONNET,
            r#""tool_choice":"required""#,
            expect![[r#"
            ! tool_choice: asks for a tool, and none is declared
        "#]],
        ),
        (
            SONNET,
            r#""tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"integer","minimum":1}},"required":["a"]}}}]"#,
            expect![[r#"
                tools: [{"input_schema":{"additionalProperties":false,"properties":{"a":{"description":"minimum: 1","type":"integer"}},"required":["a"],"type":"object"},"name":"f","strict":true}]
                ~ tools[0].function.parameters: cut to what Anthropic enforces; the rest stands in its descriptions
            "#]],
        ),
        (
            SONNET,
            r#""tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","additionalProperties":{"type":"string"}}}}]"#,
            expect![[r#"
                tools: [{"input_schema":{"additionalProperties":{"type":"string"},"type":"object"},"name":"f"}]
                ~ tools[0].function.strict: dropped: tools[0].function.parameters: is an object with open keys, which Anthropic would leave empty
            "#]],
        ),
    ]);
}

#[test]
fn tool_calls_and_results() {
    check([
        // Results come first and in one turn, regardless of messages in between; content is null.
        (
            OPUS,
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"function","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"call_1","content":"one"},{"role":"system","content":"s"},{"role":"tool","tool_call_id":"call_2","content":[{"type":"text","text":"two"}]},{"role":"user","content":"go on"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"q","type":"text"}],"role":"user"},{"content":[{"id":"call_1","input":{"a":1},"name":"f","type":"tool_use"},{"id":"call_2","input":{},"name":"f","type":"tool_use"}],"role":"assistant"},{"content":[{"content":[{"text":"one","type":"text"}],"tool_use_id":"call_1","type":"tool_result"},{"content":[{"text":"two","type":"text"}],"tool_use_id":"call_2","type":"tool_result"},{"text":"<system>\ns\n</system>","type":"text"},{"text":"go on","type":"text"}],"role":"user"}]
                ~ messages[3].role: became user text: the model takes no system message at this place
            "#]],
        ),
        // Images in a result, and thinking of another provider.
        (
            OPUS,
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","reasoning_content":"hm","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"q","type":"text"}],"role":"user"},{"content":[{"id":"c","input":{},"name":"f","type":"tool_use"}],"role":"assistant"},{"content":[{"content":[{"source":{"type":"url","url":"https://example.com/a.png"},"type":"image"}],"tool_use_id":"c","type":"tool_result"}],"role":"user"}]
                ~ messages[1].thinking: dropped: only Anthropic's own thinking, signed, can go back to it
            "#]],
        ),
        // Content bound to other providers.
        (
            OPUS,
            r#""messages":[{"role":"user","content":[{"type":"text","text":"q","cache_control":{"type":"ephemeral"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}],"reasoning_details":[{"data":"x"}],"thinking_blocks":[{"signature":"s"}],"encrypted_content":"x","extra_content":{"google":{"thought_signature":"s"}}},{"role":"user","content":"go on"}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"q","type":"text"}],"role":"user"},{"content":[{"text":"a","type":"text"}],"role":"assistant"},{"content":[{"text":"go on","type":"text"}],"role":"user"}]
                ~ messages[0].content[0].cache_control: dropped: only a body in Anthropic's dialect says what to cache
                ~ messages[1].reasoning_details: dropped: thinking of another model
                ~ messages[1].thinking_blocks: dropped: thinking of another model
                ~ messages[1].encrypted_content: dropped: thinking of another model
                ~ messages[1].extra_content: dropped: thinking of another model
                ~ messages[1].thinking: dropped: only Anthropic's own thinking, signed, can go back to it
            "#]],
        ),
        // Ids with other characters, and the same id in two turns.
        (
            OPUS,
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"functions.f:0","content":"one"},{"role":"assistant","tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"functions.f:0","content":""}]"#,
            expect![[r#"
                messages: [{"content":[{"text":"q","type":"text"}],"role":"user"},{"content":[{"id":"functions_f_0","input":{},"name":"f","type":"tool_use"}],"role":"assistant"},{"content":[{"content":[{"text":"one","type":"text"}],"tool_use_id":"functions_f_0","type":"tool_result"}],"role":"user"},{"content":[{"id":"functions_f_0_2","input":{},"name":"f","type":"tool_use"}],"role":"assistant"},{"content":[{"tool_use_id":"functions_f_0_2","type":"tool_result"}],"role":"user"}]
            "#]],
        ),
        // Invalid arguments, and results without calls or the reverse.
        (
            OPUS,
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"[1]"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]"#,
            expect![[r#"
                ! messages[1].tool_calls[0].function.arguments: are no JSON object
            "#]],
        ),
        (
            OPUS,
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]"#,
            expect![[r#"
                ! messages[1].tool_calls[1].function.arguments: are no JSON object
            "#]],
        ),
        (
            OPUS,
            r#""messages":[{"role":"user","content":"q"},{"role":"tool","tool_call_id":"c","content":"r"}]"#,
            expect![[r#"
                ! messages[1].tool_call_id: the assistant's last turn has no open call of this id
            "#]],
        ),
        (
            OPUS,
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"never mind"}]"#,
            expect![[r#"
                ! messages[1].tool_calls[0]: has no result, and Anthropic wants one
            "#]],
        ),
    ]);
}

#[test]
fn response_formats() {
    check([
        (
            SONNET,
            r#""response_format":{"type":"json_object"}"#,
            expect![[r#"
            system: [{"text":"Answer with one JSON object and nothing else: no other text, no code fence.","type":"text"}]
            ~ response_format: an instruction in the system prompt: Anthropic has no JSON mode
        "#]],
        ),
        (
            SONNET,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"x","description":"an x","strict":true,"schema":{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer","minimum":1}},"required":["b","a"]}}}"#,
            expect![[r#"
                output_config: {"format":{"schema":{"additionalProperties":false,"description":"an x","properties":{"a":{"description":"minimum: 1","type":"integer"},"b":{"type":"string"}},"required":["b","a"],"type":"object"},"type":"json_schema"}}
                ~ response_format: cut to what Anthropic enforces; the rest stands in its descriptions
            "#]],
        ),
        (
            SONNET,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}}"#,
            expect![[r#"
                ! response_format.json_schema.schema: is an object with open keys, which Anthropic would leave empty
            "#]],
        ),
        (
            "claude-opus-4-20250514",
            r#""response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{}}}}}"#,
            expect![[r#"
                ! response_format: the model cannot be held to a JSON schema
            "#]],
        ),
        // Schema and tools together.
        (
            OPUS,
            r#""tools":[{"type":"function","function":{"name":"g"}}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"type":"null"}}}}}"#,
            expect![[r#"
                output_config: {"format":{"schema":{"additionalProperties":false,"properties":{"a":{"type":"null"}},"type":"object"},"type":"json_schema"}}
                tools: [{"input_schema":{"properties":{},"type":"object"},"name":"g"}]
            "#]],
        ),
    ]);
}

#[test]
fn images_audio_and_files() {
    let part = |part: &str| format!(r#""messages":[{{"role":"user","content":[{part}]}}]"#);
    check([
        (
            SONNET,
            &part(r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"auto"}}"#),
            expect![[r#"
                messages: [{"content":[{"source":{"data":"AAAA","media_type":"image/png","type":"base64"},"type":"image"}],"role":"user"}]
            "#]],
        ),
        (
            SONNET,
            &part(
                r#"{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}},{"type":"image_url","image_url":{"url":"https://example.com/b.png","detail":"low"}}"#,
            ),
            expect![[r#"
                messages: [{"content":[{"source":{"type":"url","url":"https://example.com/a.png"},"type":"image"},{"source":{"type":"url","url":"https://example.com/b.png"},"type":"image"}],"role":"user"}]
                ~ messages[0].content[0].image_url.detail: dropped: Anthropic looks at all pictures alike
            "#]],
        ),
        (
            SONNET,
            &part(r#"{"type":"image_url","image_url":{"url":"data:image/bmp;base64,AAAA"}}"#),
            expect![[r#"
                ! messages[0].content[0]: Anthropic sees JPEG, PNG, GIF and WebP only
            "#]],
        ),
        (
            SONNET,
            &part(r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#),
            expect![[r#"
                ! messages[0].content[0]: Anthropic takes no input_audio
            "#]],
        ),
        (
            SONNET,
            &part(
                r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}}"#,
            ),
            expect![[r#"
                messages: [{"content":[{"source":{"data":"AAAA","media_type":"application/pdf","type":"base64"},"title":"a.pdf","type":"document"}],"role":"user"}]
            "#]],
        ),
        (
            SONNET,
            &part(r#"{"type":"file","file":{"file_id":"file-1"}}"#),
            expect![[r#"
            ! messages[0].content[0]: of files Anthropic takes PDF documents as data only
        "#]],
        ),
        (
            SONNET,
            &part(r#"{"type":"text","text":""},{"type":"text","text":"t"}"#),
            expect![[r#"
            messages: [{"content":[{"text":"t","type":"text"}],"role":"user"}]
        "#]],
        ),
    ]);
}

#[test]
fn numbers_and_settings() {
    table(
        &[
            (SONNET, r#""max_tokens":7"#),
            (HAIKU, r#""max_completion_tokens":100000"#),
            ("unknown", r#""max_tokens":100000"#),
            (SONNET, r#""temperature":0"#),
            (SONNET, r#""temperature":1.7"#),
            (OPUS, r#""temperature":1.7,"top_p":0.5,"top_k":3"#),
            (SONNET, r#""temperature":0.5,"top_p":0.5,"top_k":3"#),
            (SONNET, r#""top_p":0.5"#),
            (SONNET, r#""stop":["a","b","c","d","e","\n"]"#),
            (SONNET, r#""seed":0"#),
            (SONNET, r#""frequency_penalty":0.5,"presence_penalty":0"#),
            (SONNET, r#""user":"u1","safety_identifier":"s1""#),
            (SONNET, r#""safety_identifier":"s1""#),
            (SONNET, r#""service_tier":"auto""#),
            (SONNET, r#""service_tier":"default""#),
            (SONNET, r#""service_tier":"flex""#),
            (SONNET, r#""prompt_cache_key":"k","prompt_cache_retention":"24h""#),
            (SONNET, r#""prompt_cache_options":{"mode":"implicit"}"#),
            (SONNET, r#""n":1,"logprobs":false,"logit_bias":{},"store":false,"modalities":["text"]"#),
            (SONNET, r#""n":2"#),
            (SONNET, r#""logprobs":true"#),
            (SONNET, r#""top_logprobs":3"#),
            (SONNET, r#""logit_bias":{"1":2}"#),
            (
                SONNET,
                r#""prediction":{"type":"content","content":"x"},"verbosity":"low","store":true,"metadata":{"k":"v"}"#,
            ),
            (SONNET, r#""modalities":["text","audio"]"#),
            (SONNET, r#""audio":{"voice":"x"}"#),
            (SONNET, r#""web_search_options":{}"#),
            (SONNET, r#""moderation":{"model":"x"}"#),
            (SONNET, r#""functions":[{"name":"f"}]"#),
            (SONNET, r#""some_new_field":1"#),
        ],
        &expect![[r#"
            claude-sonnet-4-6  "max_tokens":7
                max_tokens: 7
            claude-haiku-4-5  "max_completion_tokens":100000
                max_tokens: 64000
                ~ max_tokens: cut to 64000: the model generates no more
            unknown  "max_tokens":100000
                max_tokens: 100000
            claude-sonnet-4-6  "temperature":0
                temperature: 0.0
            claude-sonnet-4-6  "temperature":1.7
                temperature: 1.0
                ~ temperature: lowered to 1, the highest Anthropic takes
            claude-opus-5-5  "temperature":1.7,"top_p":0.5,"top_k":3
                ~ temperature: dropped: the model takes no sampling parameters
                ~ top_p: dropped: the model takes no sampling parameters
                ~ top_k: dropped: the model takes no sampling parameters
            claude-sonnet-4-6  "temperature":0.5,"top_p":0.5,"top_k":3
                temperature: 0.5
                top_k: 3
                ~ top_p: dropped: Anthropic takes temperature or top_p, not both
            claude-sonnet-4-6  "top_p":0.5
                top_p: 0.5
            claude-sonnet-4-6  "stop":["a","b","c","d","e","\n"]
                stop_sequences: ["a","b","c","d","e"]
                ~ stop: texts of white space alone dropped: Anthropic rejects them
            claude-sonnet-4-6  "seed":0
                ~ seed: dropped: Anthropic cannot repeat an answer
            claude-sonnet-4-6  "frequency_penalty":0.5,"presence_penalty":0
                ~ frequency_penalty: dropped: Anthropic has no penalties
            claude-sonnet-4-6  "user":"u1","safety_identifier":"s1"
                metadata: {"user_id":"u1"}
            claude-sonnet-4-6  "safety_identifier":"s1"
                metadata: {"user_id":"s1"}
            claude-sonnet-4-6  "service_tier":"auto"
                service_tier: "auto"
            claude-sonnet-4-6  "service_tier":"default"
                service_tier: "standard_only"
            claude-sonnet-4-6  "service_tier":"flex"
                ~ service_tier: dropped: Anthropic has no such tier
            claude-sonnet-4-6  "prompt_cache_key":"k","prompt_cache_retention":"24h"
                ~ prompt_cache_key: dropped: Anthropic finds cached prompts without it
                ~ prompt_cache_retention: dropped: deprecated by OpenAI
            claude-sonnet-4-6  "prompt_cache_options":{"mode":"implicit"}
                cache_control: {"type":"ephemeral"}
            claude-sonnet-4-6  "n":1,"logprobs":false,"logit_bias":{},"store":false,"modalities":["text"]
            claude-sonnet-4-6  "n":2
                ! n: Anthropic gives one answer a request
            claude-sonnet-4-6  "logprobs":true
                ! logprobs: Anthropic gives no log probabilities
            claude-sonnet-4-6  "top_logprobs":3
                ! top_logprobs: Anthropic gives no log probabilities
            claude-sonnet-4-6  "logit_bias":{"1":2}
                ! logit_bias: Anthropic has no token bias
            claude-sonnet-4-6  "prediction":{"type":"content","content":"x"},"verbosity":"low","store":true,"metadata":{"k":"v"}
                ~ prediction: dropped: it would only have made the answer faster
                ~ verbosity: dropped: Anthropic has no such setting
                ~ store: dropped: nothing is stored at Anthropic
                ~ metadata: dropped: labels for OpenAI's storage
            claude-sonnet-4-6  "modalities":["text","audio"]
                ! modalities: Anthropic's models answer in text only
            claude-sonnet-4-6  "audio":{"voice":"x"}
                ! audio: Anthropic's models do not speak
            claude-sonnet-4-6  "web_search_options":{}
                ! web_search_options: a search by the provider is not the same one elsewhere
            claude-sonnet-4-6  "moderation":{"model":"x"}
                ! moderation: a moderation policy is OpenAI's own
            claude-sonnet-4-6  "functions":[{"name":"f"}]
                ! functions: deprecated; use tools
            claude-sonnet-4-6  "some_new_field":1
                ! some_new_field: has no counterpart in Anthropic's dialect
        "#]],
    );
}

#[test]
fn effort_becomes_thinking() {
    let tool_loop = r#""reasoning_effort":"low","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]"#;
    table(
        &[
            (OPUS, r#""reasoning_effort":"none""#),
            (OPUS, r#""reasoning_effort":"minimal""#),
            (OPUS, r#""reasoning_effort":"xhigh""#),
            (OPUS, r#""reasoning_effort":"max""#),
            (SONNET, r#""reasoning_effort":"none""#),
            (SONNET, r#""reasoning_effort":"minimal""#),
            (SONNET, r#""reasoning_effort":"low""#),
            (SONNET, r#""reasoning_effort":"medium""#),
            (SONNET, r#""reasoning_effort":"high""#),
            (SONNET, r#""reasoning_effort":"xhigh""#),
            (SONNET, r#""reasoning_effort":"max""#),
            (HAIKU, r#""reasoning_effort":"none""#),
            (HAIKU, r#""reasoning_effort":"minimal""#),
            (HAIKU, r#""reasoning_effort":"low""#),
            (HAIKU, r#""reasoning_effort":"medium""#),
            (HAIKU, r#""reasoning_effort":"high""#),
            (HAIKU, r#""reasoning_effort":"xhigh""#),
            (HAIKU, r#""reasoning_effort":"max""#),
            (HAIKU, r#""reasoning_effort":"default""#),
            (SONNET, r#""reasoning_effort":"low","temperature":0.5"#),
            (HAIKU, r#""reasoning_effort":"low","max_tokens":100"#),
            (HAIKU, tool_loop),
        ],
        &expect![[r#"
            claude-opus-5-5  "reasoning_effort":"none"
                output_config: {"effort":"low"}
                ~ reasoning_effort: became low: the model cannot stop thinking
            claude-opus-5-5  "reasoning_effort":"minimal"
                output_config: {"effort":"low"}
                thinking: {"type":"adaptive"}
            claude-opus-5-5  "reasoning_effort":"xhigh"
                output_config: {"effort":"xhigh"}
                thinking: {"type":"adaptive"}
            claude-opus-5-5  "reasoning_effort":"max"
                output_config: {"effort":"max"}
                thinking: {"type":"adaptive"}
            claude-sonnet-4-6  "reasoning_effort":"none"
                thinking: {"type":"disabled"}
            claude-sonnet-4-6  "reasoning_effort":"minimal"
                output_config: {"effort":"low"}
                thinking: {"type":"adaptive"}
            claude-sonnet-4-6  "reasoning_effort":"low"
                output_config: {"effort":"low"}
                thinking: {"type":"adaptive"}
            claude-sonnet-4-6  "reasoning_effort":"medium"
                output_config: {"effort":"medium"}
                thinking: {"type":"adaptive"}
            claude-sonnet-4-6  "reasoning_effort":"high"
                output_config: {"effort":"high"}
                thinking: {"type":"adaptive"}
            claude-sonnet-4-6  "reasoning_effort":"xhigh"
                output_config: {"effort":"high"}
                thinking: {"type":"adaptive"}
                ~ reasoning_effort: became high, the most the model knows
            claude-sonnet-4-6  "reasoning_effort":"max"
                output_config: {"effort":"max"}
                thinking: {"type":"adaptive"}
            claude-haiku-4-5  "reasoning_effort":"none"
            claude-haiku-4-5  "reasoning_effort":"minimal"
                max_tokens: 22357
                thinking: {"budget_tokens":1024,"type":"enabled"}
            claude-haiku-4-5  "reasoning_effort":"low"
                max_tokens: 22357
                thinking: {"budget_tokens":1024,"type":"enabled"}
            claude-haiku-4-5  "reasoning_effort":"medium"
                max_tokens: 23381
                thinking: {"budget_tokens":2048,"type":"enabled"}
            claude-haiku-4-5  "reasoning_effort":"high"
                max_tokens: 25429
                thinking: {"budget_tokens":4096,"type":"enabled"}
            claude-haiku-4-5  "reasoning_effort":"xhigh"
                max_tokens: 29525
                thinking: {"budget_tokens":8192,"type":"enabled"}
            claude-haiku-4-5  "reasoning_effort":"max"
                max_tokens: 37717
                thinking: {"budget_tokens":16384,"type":"enabled"}
            claude-haiku-4-5  "reasoning_effort":"default"
                ~ reasoning_effort: dropped: no effort that Anthropic knows
            claude-sonnet-4-6  "reasoning_effort":"low","temperature":0.5
                output_config: {"effort":"low"}
                thinking: {"type":"adaptive"}
                ~ temperature: dropped: not accepted together with thinking
            claude-haiku-4-5  "reasoning_effort":"low","max_tokens":100
                max_tokens: 1124
                thinking: {"budget_tokens":1024,"type":"enabled"}
                ~ max_tokens: raised to 1124 to leave room for thinking
            claude-haiku-4-5  "reasoning_effort":"low","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]
                messages: [{"content":[{"text":"q","type":"text"}],"role":"user"},{"content":[{"id":"c","input":{},"name":"f","type":"tool_use"}],"role":"assistant"},{"content":[{"content":[{"text":"r","type":"text"}],"tool_use_id":"c","type":"tool_result"}],"role":"user"}]
                ~ reasoning_effort: dropped: the model must not begin to think between a tool's call and its result
        "#]],
    );
}

#[test]
fn only_signed_thinking_is_sent_back() {
    let thinking = |signature: Option<&str>| Part::Thinking {
        text: "hm".to_owned(),
        signature: signature.map(str::to_owned),
    };
    let assistant = Message {
        role: Role::Assistant,
        name: None,
        parts: vec![thinking(Some("s")), thinking(None), thinking(Some("")), Part::Text("a".to_owned())],
    };
    let messages = vec![Message::text(Role::User, "q"), assistant, Message::text(Role::User, "r")];
    let chat = Chat { messages, ..Chat::default() };
    let (body, notes) = body_of(&chat, OPUS).unwrap();
    expect![[r#"{"content":[{"signature":"s","thinking":"hm","type":"thinking"},{"text":"a","type":"text"}],"role":"assistant"}"#]].assert_eq(&body["messages"][1].to_string());
    expect![[r#"
        [
            Note {
                field: "messages[1].thinking",
                what: "dropped: only Anthropic's own thinking, signed, can go back to it",
            },
        ]
    "#]]
    .assert_debug_eq(&notes);
}

#[test]
fn later_system_message_keeps_the_prefix() {
    let prefix = r#"{"role":"system","content":"rules"},{"role":"user","content":"1"}"#;
    let before = openai(&format!(r#""messages":[{prefix}]"#));
    let after = openai(&format!(r#""messages":[{prefix},{{"role":"system","content":"new"}}]"#));
    for model in [SONNET, OPUS] {
        let (before, _) = body_of(&before, model).unwrap();
        let (after, _) = body_of(&after, model).unwrap();
        assert_eq!(before["system"], after["system"], "{model}");
        assert_eq!(before["messages"][0]["content"][0], after["messages"][0]["content"][0], "{model}");
    }
}

#[test]
fn invalid_typed_chat_is_refused() {
    let chat = |message: Message| Chat { messages: vec![message], ..Chat::default() };
    let part = |role, part| chat(Message { role, name: None, parts: vec![part] });
    let result = fb_core::ToolResult { id: "c".to_owned(), parts: Vec::new(), is_error: true };
    let call = fb_core::ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: String::new() };
    let image = fb_core::ImageSource::Url("https://example.com".to_owned());
    let image = Part::Image(fb_core::Image { source: image, detail: None });
    for (chat, refusal) in [
        (Chat::default(), "messages: there is nothing to send"),
        (part(Role::System, image.clone()), "messages[0].content[0]: a system message holds text only"),
        (part(Role::Assistant, image), "messages[0].content[0]: only the user's side can show pictures"),
        (
            part(Role::Assistant, Part::ToolResult(result)),
            "messages[0].content[0]: only the user's side can give a tool's result",
        ),
        (part(Role::User, Part::ToolCall(call)), "messages[0].content[0]: only the assistant can call tools"),
        (part(Role::Tool, Part::Text("r".to_owned())), "messages[0].tool_call_id: is missing"),
        (
            Chat {
                sampling: fb_core::Sampling { temperature: Some(f64::NAN), ..fb_core::Sampling::default() },
                ..chat(Message::text(Role::User, "hi"))
            },
            "temperature: is no finite number",
        ),
        (
            Chat {
                extra: vec![Extra {
                    path: "messages[0].content[0].frobnicate".to_owned(),
                    name: "frobnicate".to_owned(),
                    value: Json::parse("1").unwrap(),
                }],
                ..chat(Message::text(Role::User, "hi"))
            },
            "messages[0].content[0].frobnicate: has no counterpart in Anthropic's dialect",
        ),
    ] {
        assert_eq!(body_of(&chat, SONNET).unwrap_err().to_string(), refusal);
    }
}

#[test]
fn stream_is_requested() {
    let limits = Limits::for_model(SONNET);
    let encoded = encode(&openai(""), SONNET, true, &limits).unwrap();
    expect![[r#"{"model":"claude-sonnet-4-6","max_tokens":21333,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"stream":true}"#]].assert_eq(str::from_utf8(&encoded.body).unwrap());
}
