use std::borrow::Cow;

use bytes::Bytes;
use fb_core::{Call, Dialect, Note, RawBody, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    edits::{Edits, has, quoted, value},
    http::Parts,
    preset::{Quirks, ToolIds},
    typed,
};

/// A body on its way out.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) body: Parts,
    pub(super) notes: Vec<Note>,
    pub(super) silent: bool,
}

/// Whether the call can be carried; of a body in this dialect only the top-level fields are looked at.
pub(super) fn admit(call: Call<'_>, quirks: &Quirks) -> Result<(), Refusal> {
    match call.request.raw_in(Dialect::OpenAi) {
        Some(raw) => {
            let (mut edits, mut notes) = (Edits::default(), Vec::new());
            quirks_of(raw, quirks, &mut edits, &mut notes)?;
            thinking(raw, call.model, quirks, &mut edits, &mut notes)
        }
        None => prepare(call, false, quirks).map(drop),
    }
}

/// The body for a call: the caller's own with what must differ, or one printed from the typed view.
pub(super) fn prepare(call: Call<'_>, stream: bool, quirks: &Quirks) -> Result<Prepared, Refusal> {
    let mut notes = Vec::new();
    let own = call.request.raw_in(Dialect::OpenAi);
    let raw = match own {
        Some(raw) => Cow::Borrowed(raw),
        None => Cow::Owned(print(call, stream, &mut notes)?),
    };
    let mut edits = Edits::default();
    quirks_of(&raw, quirks, &mut edits, &mut notes)?;
    thinking(&raw, call.model, quirks, &mut edits, &mut notes)?;
    rewrite_messages(&raw, quirks, &mut edits, &mut notes);
    for (name, json) in &call.overrides.0 {
        edits.set(name.as_str(), json.get());
    }
    edits.set("model", quoted(call.model));
    stream_fields(&raw, stream, quirks, &mut edits);
    let silent = stream && own.is_some() && !call.request.head().include_usage;
    Ok(Prepared { body: edits.apply(&raw), notes, silent })
}

/// The typed view in OpenAI's dialect.
fn print(call: Call<'_>, stream: bool, notes: &mut Vec<Note>) -> Result<RawBody, Refusal> {
    let encoded = fb_wire::openai::encode(typed::view(call)?, call.model, stream)?;
    notes.extend(encoded.notes);
    typed::printed(Dialect::OpenAi, encoded.body)
}

/// What of the top-level fields this provider needs differently.
fn quirks_of(
    raw: &RawBody,
    quirks: &Quirks,
    edits: &mut Edits,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    for (field, why) in quirks.refuse {
        match value(raw, field) {
            Some(text) if !is_neutral(field, text) => return Err(Refusal::new(*field, *why)),
            _ if has(raw, field) => edits.remove(*field),
            _ => {}
        }
    }
    if !quirks.json_schema && value(raw, "response_format").is_some_and(is_schema) {
        return Err(Refusal::new("response_format", "the provider does not follow a JSON schema"));
    }
    for (field, why) in quirks.drop {
        if has(raw, field) {
            if value(raw, field).is_some_and(|text| !is_neutral(field, text)) {
                notes.push(Note::new(*field, format!("left out: {why}")));
            }
            edits.remove(*field);
        }
    }
    for (old, new) in quirks.rename {
        if has(raw, old) {
            if has(raw, new) { edits.remove(*old) } else { edits.rename(old, new) }
        }
    }
    for (field, theirs, own) in quirks.values {
        if value(raw, field) == Some(&quoted(theirs)) {
            edits.set(*field, quoted(own));
            // Names for the same thing need no word; a weaker effort does.
            if *field == "reasoning_effort" {
                notes.push(Note::new(*field, format!("{theirs} sent as {own}")));
            }
        }
    }
    if let Some(most) = quirks.max_temperature
        && let Some(asked) = value(raw, "temperature").and_then(|text| text.parse::<f64>().ok())
        && asked > most
    {
        edits.set("temperature", most.to_string());
        notes.push(Note::new("temperature", format!("{asked} lowered to {most}, the provider's largest")));
    }
    Ok(())
}

/// OpenAI's models that think reject what others take, and a caller who wrote for another model cannot know.
fn thinking(
    raw: &RawBody,
    model: &str,
    quirks: &Quirks,
    edits: &mut Edits,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    if !quirks.thinkers || !thinks(model, value(raw, "reasoning_effort")) {
        return Ok(());
    }
    for field in ["logprobs", "top_logprobs", "logit_bias"] {
        if value(raw, field).is_some_and(|text| !is_neutral(field, text)) {
            return Err(Refusal::new(field, "models that think do not take it"));
        }
    }
    for field in ["temperature", "top_p", "frequency_penalty", "presence_penalty"] {
        if let Some(text) = value(raw, field) {
            let usual = if field.ends_with("penalty") { 0.0 } else { 1.0 };
            // Left out even where it is the usual value: some models reject the field itself.
            edits.remove(field);
            if text.parse() != Ok(usual) {
                notes.push(Note::new(field, "left out: models that think do not take it"));
            }
        }
    }
    // gpt-5.6 calls functions over this endpoint only when it does not think.
    let calls = value(raw, "tools").is_some_and(|tools| !is_neutral("tools", tools));
    if model.starts_with("gpt-5.6") && calls {
        edits.set("reasoning_effort", "\"none\"");
        notes.push(Note::new("reasoning_effort", "none: this model calls no tools while it thinks"));
    }
    Ok(())
}

/// Whether a model of OpenAI's thinks, told to make this effort.
fn thinks(model: &str, effort: Option<&str>) -> bool {
    if model.starts_with("gpt-5-chat") || (model.starts_with("gpt-5.") && effort == Some("\"none\"")) {
        return false;
    }
    ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| model.starts_with(family))
}

/// Whether a value asks for nothing.
fn is_neutral(field: &str, text: &str) -> bool {
    matches!(text, "false" | "0" | "0.0" | "\"\"") || empty(text) || (field == "n" && text == "1")
}

/// Whether a JSON text is an empty object or array.
fn empty(text: &str) -> bool {
    let inside = |open, close| text.strip_prefix(open).and_then(|text: &str| text.strip_suffix(close));
    inside('{', '}').or_else(|| inside('[', ']')).is_some_and(|text| text.trim().is_empty())
}

fn is_schema(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    serde_json::from_str::<Format<'_>>(text).is_ok_and(|format| format.kind == "json_schema")
}

/// `stream` and `stream_options` as this call needs them, whatever the caller wrote.
fn stream_fields(raw: &RawBody, stream: bool, quirks: &Quirks, edits: &mut Edits) {
    if stream {
        edits.set("stream", "true");
    } else if has(raw, "stream") {
        edits.set("stream", "false");
    }
    if stream && quirks.stream_usage {
        edits.set("stream_options", with_usage(value(raw, "stream_options")));
    } else if has(raw, "stream_options") {
        // OpenAI rejects it in a plain call.
        edits.remove("stream_options");
    }
}

/// The caller's stream options, asking for token counts.
fn with_usage(options: Option<&str>) -> String {
    const ASKED: &str = "{\"include_usage\":true}";
    type Options<'a> = std::collections::BTreeMap<Cow<'a, str>, &'a RawValue>;
    let Some(Ok(options)) = options.map(serde_json::from_str::<Options<'_>>) else {
        return ASKED.to_owned();
    };
    let others = options.iter().filter(|(name, _)| *name != "include_usage");
    let others: String =
        others.flat_map(|(name, value)| [&quoted(name), ":", value.get(), ","].map(str::to_owned)).collect();
    format!("{{{others}\"include_usage\":true}}")
}

/// Roles and ids inside the messages that this provider would reject. Messages without such pass as bytes.
fn rewrite_messages(raw: &RawBody, quirks: &Quirks, edits: &mut Edits, notes: &mut Vec<Note>) {
    let Some(text) = value(raw, "messages") else { return };
    let holds = |needle: &str| memchr::memmem::find(text.as_bytes(), needle.as_bytes()).is_some();
    let roles = !quirks.developer && holds("\"developer\"");
    let ids = quirks.tool_ids == ToolIds::NineAlphanumeric
        && (holds("\"tool_calls\"") || holds("\"tool_call_id\""));
    if !roles && !ids {
        return;
    }
    let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(text) else { return };
    let mut changed = false;
    let rewritten: Vec<Cow<'_, str>> = messages
        .into_iter()
        .map(|message| {
            let new = rewrite_message(message.get(), roles, ids);
            changed |= new.is_some();
            new.map_or_else(|| Cow::Borrowed(message.get()), Cow::Owned)
        })
        .collect();
    if changed {
        edits.set("messages", format!("[{}]", rewritten.join(",")));
        if roles {
            notes.push(Note::new("messages", "role developer sent as system"));
        }
    }
}

/// The message with what must differ; `None` when nothing must.
fn rewrite_message(text: &str, roles: bool, ids: bool) -> Option<String> {
    let message = typed::printed(Dialect::OpenAi, Bytes::copy_from_slice(text.as_bytes())).ok()?;
    let (mut edits, mut changed) = (Edits::default(), false);
    let mut set = |name: &str, json: String| {
        edits.set(name, json);
        changed = true;
    };
    if roles && value(&message, "role") == Some("\"developer\"") {
        set("role", "\"system\"".to_owned());
    }
    if ids {
        if let Some(id) = value(&message, "tool_call_id").and_then(nine) {
            set("tool_call_id", quoted(&id));
        }
        if let Some(calls) = value(&message, "tool_calls").and_then(rewrite_calls) {
            set("tool_calls", calls);
        }
    }
    if !changed {
        return None;
    }
    let whole = edits.apply(&message).concat();
    String::from_utf8(whole).ok()
}

fn rewrite_calls(text: &str) -> Option<String> {
    let calls: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let mut changed = false;
    let calls: Vec<String> = calls
        .into_iter()
        .map(|call| {
            let new = rewrite_call(call.get());
            changed |= new.is_some();
            new.unwrap_or_else(|| call.get().to_owned())
        })
        .collect();
    changed.then(|| format!("[{}]", calls.join(",")))
}

fn rewrite_call(text: &str) -> Option<String> {
    let call = typed::printed(Dialect::OpenAi, Bytes::copy_from_slice(text.as_bytes())).ok()?;
    let id = nine(value(&call, "id")?)?;
    let mut edits = Edits::default();
    edits.set("id", quoted(&id));
    String::from_utf8(edits.apply(&call).concat()).ok()
}

/// Nine letters and digits that stand for an id, the same for the same id; `None` when it is such already.
fn nine(json: &str) -> Option<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let id: Cow<'_, str> = serde_json::from_str(json).ok()?;
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    // FNV-1a; 62^9 is about 2^53, so two ids of one conversation meet about never.
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut letters = String::with_capacity(9);
    for _ in 0..9 {
        let index = usize::try_from(hash % 62).unwrap_or_default();
        letters.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'0')));
        hash /= 62;
    }
    Some(letters)
}
