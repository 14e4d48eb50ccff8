//! The request field `preferred_provider`, which is read here and never sent to a provider.

use fb::{ChatRequest, Error, InvalidRequest};
use fb_wire::openai;

/// The field: the `PROVIDER` or `PROVIDER/MODEL` to try first.
const FIELD: &str = "preferred_provider";

/// True if the field, and no header, set the preference of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsSetByField(bool);

/// Removes the field from a request and sets it as the preference, in place of one from a header. `null` sets nothing.
pub(crate) fn take(request: ChatRequest) -> Result<(ChatRequest, IsSetByField), InvalidRequest> {
    let (request, value) = openai::take_field(request, FIELD)?;
    let Some(value) = value else { return Ok((request, IsSetByField(false))) };
    let name = serde_json::from_str(&value).map_err(|_other_type| {
        let shown: String = value.chars().take(64).collect();
        let message = format!("{FIELD}: {shown}; expected the name of a provider, or null");
        InvalidRequest::field(FIELD, message)
    })?;
    let mut options = request.options().clone();
    options.prefer = Some(name);
    Ok((request.with_options(options), IsSetByField(true)))
}

impl IsSetByField {
    pub(crate) const NO: Self = Self(false);

    /// Names the field in the error of a request with an unknown preference.
    pub(crate) fn name_in(self, error: Error) -> Error {
        match error {
            Error::InvalidRequest(invalid) if self.0 && invalid.param.as_deref() == Some("prefer") => {
                let message = format!("{FIELD}: {}", invalid.message);
                Error::InvalidRequest(InvalidRequest::field(FIELD, message))
            }
            other => other,
        }
    }
}
