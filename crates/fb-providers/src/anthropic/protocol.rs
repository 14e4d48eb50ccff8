use bytes::Bytes;
use fb_core::{Call, Capabilities, Dialect, Refusal};
use fb_wire::{
    Decoded, WireError,
    anthropic::{EventDecoder, Limits},
};
use http::{HeaderName, HeaderValue, Uri};

use super::{encode, failure};
use crate::{
    exchange::{ErrorClass, ErrorResponse, PreparedRequest, Protocol, Sse},
    http::CallerHeaders,
    models,
};

/// An endpoint of Anthropic's dialect.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) uri: Uri,
    pub(super) probe_uri: Uri,
}

/// Maximum size of a request body, in bytes: 32 MB.
const MAX_BODY: u64 = 32 << 20;

/// Returns the headers that a caller of the same dialect sent.
fn caller_headers(call: Call<'_>) -> CallerHeaders {
    let headers = call.request.raw_in(Dialect::Anthropic).into_iter().flat_map(|body| &body.headers);
    let parsed = headers
        .map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?)));
    parsed.flatten().collect()
}

impl Protocol for Messages {
    type Decoder = Sse<EventDecoder>;

    const DIALECT: Dialect = Dialect::Anthropic;

    fn capabilities(&self, model: &str) -> Capabilities {
        let limits = Limits::for_model(model);
        Capabilities {
            json_schema: limits.json_schema,
            prefill: Limits::known(model).is_some_and(|limits| limits.prefill),
            max_body: Some(MAX_BODY),
            ..models::capabilities(model)
        }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        encode::admit(call)
    }

    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<PreparedRequest, Refusal> {
        let (body, notes) = encode::prepare(call, stream)?;
        let headers = caller_headers(call);
        Ok(PreparedRequest { headers, ..PreparedRequest::new(self.uri.clone(), body, notes) })
    }

    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError> {
        fb_wire::anthropic::reply(body)
    }

    fn decoder(&self, hide_usage: bool) -> Self::Decoder {
        Sse::new(EventDecoder::new(), hide_usage)
    }

    fn classify(&self, error: &ErrorResponse<'_>) -> ErrorClass {
        failure::classify(error)
    }

    fn probe_uri(&self) -> Option<&Uri> {
        Some(&self.probe_uri)
    }
}
