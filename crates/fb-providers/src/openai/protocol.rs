use std::collections::BTreeSet;

use bytes::Bytes;
use fb_core::{Call, Capabilities, Dialect, Refusal};
use fb_wire::{Decoded, WireError, openai::ChunkDecoder};
use http::Uri;
use parking_lot::Mutex;

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
    pub(crate) probe_uri: Option<Uri>,
    pub(crate) learned: ThinkingModels,
}

/// The models that rejected a field as models do that always think, whatever their names.
#[derive(Debug, Default)]
pub(crate) struct ThinkingModels(Mutex<BTreeSet<String>>);

impl ThinkingModels {
    /// The maximum number of models; a caller may name any.
    const MAX: usize = 1_000;

    /// Returns true if the model is kept.
    fn insert(&self, model: &str) -> bool {
        let mut models = self.0.lock();
        models.contains(model) || (models.len() < Self::MAX && models.insert(model.to_owned()))
    }

    fn contains(&self, model: &str) -> bool {
        self.0.lock().contains(model)
    }
}

impl ChatCompletions {
    /// Returns true if an error has shown that the model always thinks.
    pub(crate) fn has_learned_thinking(&self, model: &str) -> bool {
        self.learned.contains(model)
    }

    /// Returns whether the model always thinks; `None` if its name decides.
    fn thinking(&self, call: Call<'_>) -> Option<bool> {
        call.thinking.or_else(|| self.has_learned_thinking(call.model).then_some(true))
    }
}

impl Protocol for ChatCompletions {
    type Decoder = Sse<ChunkDecoder>;

    const DIALECT: Dialect = Dialect::OpenAi;

    fn capabilities(&self, model: &str) -> Capabilities {
        let quirks = &self.preset.quirks;
        Capabilities {
            json_schema: quirks.json_schema,
            prefill: quirks.prefix,
            ..models::capabilities(model)
        }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        encode::admit(call, self.thinking(call), self.preset)
    }

    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<PreparedRequest, Refusal> {
        let prepared = encode::prepare(call, stream, self.thinking(call), self.preset)?;
        let encode::Prepared { body, notes, hide_usage, thinking } = prepared;
        let uri = self.endpoint.uri(call.model)?;
        Ok(PreparedRequest { hide_usage, thinking, ..PreparedRequest::new(uri, body, notes) })
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

    fn learn(&self, error: &ErrorResponse<'_>, call: Call<'_>) -> bool {
        call.thinking.is_none() && failure::shows_thinking(error) && self.learned.insert(call.model)
    }

    fn block_detail(&self, body: &[u8], error: &ErrorResponse<'_>) -> String {
        filters::describe(body).unwrap_or_else(|| error.detail())
    }

    fn probe_uri(&self) -> Option<&Uri> {
        self.probe_uri.as_ref()
    }
}
