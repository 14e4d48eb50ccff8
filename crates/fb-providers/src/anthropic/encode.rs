use std::borrow::Cow;

use fb_core::{Call, Dialect, Note, RawBody, Refusal};
use fb_wire::anthropic::Limits;

use crate::{
    edits::{Edits, has, quoted},
    http::BodyParts,
    translate,
};

/// Checks that the call can be sent. A body in this dialect always can.
pub(super) fn admit(call: Call<'_>) -> Result<(), Refusal> {
    match call.request.raw_in(Dialect::Anthropic) {
        Some(_) => Ok(()),
        None => prepare(call, false).map(drop),
    }
}

/// Builds the body for a call: the caller's own with the necessary changes, or one printed from the typed view.
pub(super) fn prepare(call: Call<'_>, stream: bool) -> Result<(BodyParts, Vec<Note>), Refusal> {
    let mut notes = Vec::new();
    let limits = Limits::for_model(call.model);
    let raw = match call.request.raw_in(Dialect::Anthropic) {
        Some(raw) => Cow::Borrowed(raw),
        None => Cow::Owned(print(call, stream, &limits, &mut notes)?),
    };
    let mut edits = Edits::default();
    for (name, json) in &call.overrides.0 {
        edits.set(name.as_str(), json.get());
    }
    edits.set("model", quoted(call.model));
    if stream {
        edits.set("stream", "true");
    } else if has(&raw, "stream") {
        edits.set("stream", "false");
    }
    if !has(&raw, "max_tokens") && !call.overrides.0.iter().any(|(name, _)| name == "max_tokens") {
        edits.set("max_tokens", limits.default_max_tokens.to_string());
    }
    Ok((edits.apply(&raw), notes))
}

fn print(call: Call<'_>, stream: bool, limits: &Limits, notes: &mut Vec<Note>) -> Result<RawBody, Refusal> {
    let encoded = fb_wire::anthropic::encode(translate::typed_view(call)?, call.model, stream, limits)?;
    notes.extend(encoded.notes);
    translate::editable(Dialect::Anthropic, encoded.body)
}
