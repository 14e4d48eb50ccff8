use std::borrow::Cow;

use fb_core::{Call, Dialect, Note, RawBody, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    edits::{Edits, has, quoted, value},
    http::Parts,
    nested::empty,
    openai::{artefacts, messages},
    preset::{Preset, Quirks},
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
pub(super) fn admit(call: Call<'_>, preset: &Preset) -> Result<(), Refusal> {
    match call.request.raw_in(Dialect::OpenAi) {
        Some(raw) => {
            let (mut edits, mut notes) = (Edits::default(), Vec::new());
            artefacts::check(raw)?;
            quirks_of(raw, &preset.quirks, &mut edits, &mut notes)?;
            thinking(raw, call.model, &preset.quirks, &mut edits, &mut notes)
        }
        None => prepare(call, false, preset).map(drop),
    }
}

/// The body for a call: the caller's own with what must differ, or one printed from the typed view.
pub(super) fn prepare(call: Call<'_>, stream: bool, preset: &Preset) -> Result<Prepared, Refusal> {
    let quirks = &preset.quirks;
    let mut notes = Vec::new();
    let own = call.request.raw_in(Dialect::OpenAi);
    let raw = match own {
        Some(raw) => Cow::Borrowed(raw),
        None => Cow::Owned(print(call, stream, &mut notes)?),
    };
    let mut edits = Edits::default();
    artefacts::check(&raw)?;
    artefacts::leave_out(&raw, preset.name, &mut edits, &mut notes);
    quirks_of(&raw, quirks, &mut edits, &mut notes)?;
    thinking(&raw, call.model, quirks, &mut edits, &mut notes)?;
    messages::rewrite(&raw, call.model, preset, &mut edits, &mut notes);
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
