//! Requests whose caller wrote another dialect, or none.

use bytes::Bytes;
use fb_core::{Call, Chat, Dialect, RawBody, Refusal};

/// The typed view of a call's request.
pub(crate) fn view(call: Call<'_>) -> Result<&Chat, Refusal> {
    call.request.chat().map_err(|error| {
        Refusal::new(error.param.clone().unwrap_or_else(|| "body".to_owned()), error.message.clone())
    })
}

/// A body printed from the typed view, as one whose fields can be edited.
pub(crate) fn printed(dialect: Dialect, bytes: Bytes) -> Result<RawBody, Refusal> {
    let fields = fb_wire::raw::scan(&bytes).map_err(|error| Refusal::new("body", error.message))?;
    // Nobody reads the typed view back from what was printed of it.
    Ok(RawBody { dialect, bytes, fields, parse: |_| Ok(Chat::default()) })
}
