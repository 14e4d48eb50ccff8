use bytes::Bytes;
use fb_core::{Call, Capabilities, Dialect, Refusal};
use fb_wire::{Decoded, WireError};
use http::Uri;

use super::{encode, failure, stream::Lines};
use crate::exchange::{ErrorClass, ErrorResponse, PreparedRequest, Protocol};

/// The native chat endpoint of a server.
#[derive(Debug)]
pub(super) struct NativeChat {
    pub(super) uri: Uri,
    pub(super) probe_uri: Uri,
    pub(super) num_ctx: Option<u32>,
}

impl Protocol for NativeChat {
    type Decoder = Lines;

    const DIALECT: Dialect = Dialect::Ollama;

    fn capabilities(&self, _model: &str) -> Capabilities {
        Capabilities { context: self.num_ctx.map(u64::from), ..Capabilities::default() }
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        self.prepare(call, false).map(drop)
    }

    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<PreparedRequest, Refusal> {
        let (body, notes) = encode::prepare(call, stream, self.num_ctx)?;
        Ok(PreparedRequest::new(self.uri.clone(), body, notes))
    }

    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError> {
        fb_wire::ollama::reply(body)
    }

    fn decoder(&self, _hide_usage: bool) -> Lines {
        Lines::new()
    }

    fn classify(&self, error: &ErrorResponse<'_>) -> ErrorClass {
        failure::classify(error)
    }

    fn probe_uri(&self) -> Option<&Uri> {
        Some(&self.probe_uri)
    }
}
