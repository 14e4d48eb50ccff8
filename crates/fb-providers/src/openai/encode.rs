use std::borrow::Cow;

use fb_core::{Call, Dialect, Note, RawBody, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{artefacts, messages};
use crate::{
    edits::{Edits, has, quoted, value},
    http::BodyParts,
    nested::is_empty,
    preset::{Preset, Quirks},
    translate,
};

/// A body ready to be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) body: BodyParts,
    pub(super) notes: Vec<Note>,
    /// The body requests token counts that the caller did not request.
    pub(super) hide_usage: bool,
    /// The body is adapted to a model that always thinks.
    pub(super) thinking: bool,
}

/// Checks that the call can be sent. Of a body in this dialect only the top-level fields are checked.
pub(super) fn admit(call: Call<'_>, thinking: Option<bool>, preset: &Preset) -> Result<(), Refusal> {
    match call.request.raw_in(Dialect::OpenAi) {
        Some(raw) => {
            let (mut edits, mut notes) = (Edits::default(), Vec::new());
            artefacts::check(raw)?;
            let thinks = thinks(raw, call.model, thinking, &preset.quirks);
            apply_quirks(raw, thinks, &preset.quirks, &mut edits, &mut notes)?;
            if thinks { adapt_to_reasoning(raw, call.model, &mut edits, &mut notes) } else { Ok(()) }
        }
        None => prepare(call, false, thinking, preset).map(drop),
    }
}

/// Builds the body for a call: the caller's own with the necessary changes, or one printed from the typed view.
///
/// `thinking` states whether the model always thinks; `None` leaves that to its name.
pub(super) fn prepare(
    call: Call<'_>,
    stream: bool,
    thinking: Option<bool>,
    preset: &Preset,
) -> Result<Prepared, Refusal> {
    let quirks = &preset.quirks;
    let mut notes = Vec::new();
    let own = call.request.raw_in(Dialect::OpenAi);
    let raw = match own {
        Some(raw) => Cow::Borrowed(raw),
        None => Cow::Owned(print(call, stream, &mut notes)?),
    };
    let mut edits = Edits::default();
    artefacts::check(&raw)?;
    artefacts::remove(&raw, preset.name, &mut edits, &mut notes);
    let thinking = thinks(&raw, call.model, thinking, quirks);
    apply_quirks(&raw, thinking, quirks, &mut edits, &mut notes)?;
    if thinking {
        adapt_to_reasoning(&raw, call.model, &mut edits, &mut notes)?;
    }
    messages::rewrite(&raw, call.model, preset, &mut edits, &mut notes);
    for (name, json) in &call.overrides.0 {
        edits.set(name.as_str(), json.get());
    }
    edits.set("model", quoted(call.model));
    set_stream_fields(&raw, stream, quirks, &mut edits);
    let hide_usage = stream && own.is_some() && !call.request.head().include_usage;
    Ok(Prepared { body: edits.apply(&raw), notes, hide_usage, thinking })
}

/// Prints the typed view in OpenAI's dialect.
fn print(call: Call<'_>, stream: bool, notes: &mut Vec<Note>) -> Result<RawBody, Refusal> {
    let encoded = fb_wire::openai::encode(translate::typed_view(call)?, call.model, stream)?;
    notes.extend(encoded.notes);
    translate::editable(Dialect::OpenAi, encoded.body)
}

/// Adapts the top-level fields to the provider's dialect.
fn apply_quirks(
    raw: &RawBody,
    thinking: bool,
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
    let limit = |(old, new): &&(&str, &str)| LIMITS.contains(&(old, new)) || LIMITS.contains(&(new, old));
    let renamed = quirks.rename.iter().filter(|names| !(thinking && limit(names)));
    for (old, new) in renamed.chain(if thinking { LIMITS } else { &[] }) {
        if has(raw, old) {
            if has(raw, new) { edits.remove(*old) } else { edits.rename(old, new) }
        }
    }
    for (field, standard, own) in quirks.values {
        if value(raw, field) == Some(&quoted(standard)) {
            edits.set(*field, quoted(own));
            // Other fields only have another name for the same value; a changed effort is a difference.
            if *field == "reasoning_effort" {
                notes.push(Note::new(*field, format!("{standard} sent as {own}")));
            }
        }
    }
    if let Some(max) = quirks.max_temperature
        && let Some(requested) = value(raw, "temperature").and_then(|text| text.parse::<f64>().ok())
        && requested > max
    {
        edits.set("temperature", max.to_string());
        notes.push(Note::new("temperature", format!("{requested} lowered to {max}, the provider's largest")));
    }
    Ok(())
}

/// Removes or refuses fields that OpenAI's reasoning models reject and its other models accept, since the caller may
/// have written the request for another model.
fn adapt_to_reasoning(
    raw: &RawBody,
    model: &str,
    edits: &mut Edits,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    for field in ["logprobs", "top_logprobs", "logit_bias"] {
        if value(raw, field).is_some_and(|text| !is_neutral(field, text)) {
            return Err(Refusal::new(field, "models that think do not take it"));
        }
    }
    for field in ["temperature", "top_p", "frequency_penalty", "presence_penalty"] {
        if let Some(text) = value(raw, field) {
            let default = if field.ends_with("penalty") { 0.0 } else { 1.0 };
            // Removed even if it has the default value: some models reject the field itself.
            edits.remove(field);
            if text.parse() != Ok(default) {
                notes.push(Note::new(field, "left out: models that think do not take it"));
            }
        }
    }
    // On this endpoint gpt-5.6 calls functions only with reasoning turned off.
    let has_tools = value(raw, "tools").is_some_and(|tools| !is_neutral("tools", tools));
    if model.starts_with("gpt-5.6") && has_tools {
        edits.set("reasoning_effort", "\"none\"");
        notes.push(Note::new("reasoning_effort", "none: this model calls no tools while it thinks"));
    }
    Ok(())
}

/// The names of the output limit: OpenAI's models that always think accept only the newer one.
const LIMITS: &[(&str, &str)] = &[("max_tokens", "max_completion_tokens")];

/// Returns true if the body is for a model that always thinks: as stated, or else by the name of a model of OpenAI's.
fn thinks(raw: &RawBody, model: &str, stated: Option<bool>, quirks: &Quirks) -> bool {
    stated.unwrap_or_else(|| quirks.reasoning_models && reasons(model, value(raw, "reasoning_effort")))
}

/// Returns true if a model of OpenAI's reasons at this effort.
fn reasons(model: &str, effort: Option<&str>) -> bool {
    if model.starts_with("gpt-5-chat") || (model.starts_with("gpt-5.") && effort == Some("\"none\"")) {
        return false;
    }
    ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| model.starts_with(family))
}

/// Returns true if a value has the same effect as leaving the field out.
fn is_neutral(field: &str, text: &str) -> bool {
    matches!(text, "false" | "0" | "0.0" | "\"\"") || is_empty(text) || (field == "n" && text == "1")
}

fn is_schema(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    serde_json::from_str::<Format<'_>>(text).is_ok_and(|format| format.kind == "json_schema")
}

/// Sets `stream` and `stream_options` for this call, replacing the caller's values.
fn set_stream_fields(raw: &RawBody, stream: bool, quirks: &Quirks, edits: &mut Edits) {
    if stream {
        edits.set("stream", "true");
    } else if has(raw, "stream") {
        edits.set("stream", "false");
    }
    if stream && quirks.stream_usage {
        edits.set("stream_options", with_usage(value(raw, "stream_options")));
    } else if has(raw, "stream_options") {
        // OpenAI rejects the field in a plain call.
        edits.remove("stream_options");
    }
}

/// Adds a request for token counts to the caller's stream options.
fn with_usage(options: Option<&str>) -> String {
    const USAGE_ONLY: &str = "{\"include_usage\":true}";
    type Options<'a> = std::collections::BTreeMap<Cow<'a, str>, &'a RawValue>;
    let Some(Ok(options)) = options.map(serde_json::from_str::<Options<'_>>) else {
        return USAGE_ONLY.to_owned();
    };
    let others = options.iter().filter(|(name, _)| *name != "include_usage");
    let others: String =
        others.flat_map(|(name, value)| [&quoted(name), ":", value.get(), ","].map(str::to_owned)).collect();
    format!("{{{others}\"include_usage\":true}}")
}
