use bytes::Bytes;
use fb_core::{Call, Capabilities, Dialect, Refusal};
use fb_wire::{Decoded, WireError, openai::ChunkDecoder};
use reqwest::Url;

use super::{encode, endpoint::Endpoint, failure, filters};
use crate::{
    exchange::{ErrorClass, ErrorResponse, PreparedRequest, Protocol, Sse},
    models,
    preset::Preset,
};

/// An endpoint of OpenAI's dialect.
#[derive(Debug)]
pub(crate) struct ChatCompletions {
    pub(crate) preset: &'static Preset,
    pub(crate) endpoint: Endpoint,
    pub(crate) probe_url: Option<Url>,
}

impl Protocol for ChatCompletions {
    type Decoder = Sse<ChunkDecoder>;

    const DIALECT: Dialect = Dialect::OpenAi;

    fn capabilities(&self, model: &str) -> Capabilities {
        Capabilities { json_schema: self.preset.quirks.json_schema, ..models::capabilities(model) }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        encode::admit(call, self.preset)
    }

    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<PreparedRequest, Refusal> {
        let encode::Prepared { body, notes, hide_usage } = encode::prepare(call, stream, self.preset)?;
        Ok(PreparedRequest { url: self.endpoint.url(call.model), body, notes, hide_usage })
    }

    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError> {
        fb_wire::openai::reply(body)
    }

    fn decoder(&self, hide_usage: bool) -> Self::Decoder {
        Sse::new(ChunkDecoder::new(), hide_usage)
    }

    fn classify(&self, error: &ErrorResponse<'_>) -> ErrorClass {
        failure::classify(error, self.preset.quirks.flavour)
    }

    fn block_detail(&self, body: &[u8], error: &ErrorResponse<'_>) -> String {
        filters::describe(body).unwrap_or_else(|| error.detail())
    }

    fn probe_url(&self) -> Option<&Url> {
        self.probe_url.as_ref()
    }
}
