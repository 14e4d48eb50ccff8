//! Requests that the caller wrote in another dialect or as typed content.

use bytes::Bytes;
use fb_core::{Call, Chat, Dialect, RawBody, Refusal};

/// Returns the typed view of a call's request.
pub(crate) fn typed_view(call: Call<'_>) -> Result<&Chat, Refusal> {
    call.request.chat().map_err(|error| {
        Refusal::new(error.param.clone().unwrap_or_else(|| "body".to_owned()), error.message.clone())
    })
}

/// Wraps a body printed by fb so that its top-level fields can be edited.
pub(crate) fn editable(dialect: Dialect, bytes: Bytes) -> Result<RawBody, Refusal> {
    let fields = fb_wire::raw::scan(&bytes).map_err(|error| Refusal::new("body", error.message))?;
    // The typed view of a printed body is never read back.
    Ok(RawBody { dialect, bytes, fields, headers: Vec::new(), parse: |_| Ok(Chat::default()) })
}
