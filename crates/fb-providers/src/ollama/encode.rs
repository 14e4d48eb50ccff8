use fb_core::{Call, Dialect, Note, Refusal};

use crate::{edits::Edits, http::BodyParts, translate};

/// Builds the body for a call. It is always printed from the typed view: callers do not write this dialect.
pub(super) fn prepare(
    call: Call<'_>,
    stream: bool,
    num_ctx: Option<u32>,
) -> Result<(BodyParts, Vec<Note>), Refusal> {
    let encoded = fb_wire::ollama::encode(translate::typed_view(call)?, call.model, stream, num_ctx)?;
    if call.overrides.0.is_empty() {
        return Ok((encoded.body.into(), encoded.notes));
    }
    let raw = translate::editable(Dialect::Ollama, encoded.body)?;
    let mut edits = Edits::default();
    for (name, json) in
        call.overrides.0.iter().filter(|(name, _)| !matches!(name.as_str(), "model" | "stream"))
    {
        edits.set(name.as_str(), json.get());
    }
    Ok((edits.apply(&raw), encoded.notes))
}
