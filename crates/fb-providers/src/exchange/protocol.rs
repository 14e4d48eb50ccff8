use std::fmt;

use bytes::Bytes;
use fb_core::{Call, Capabilities, Dialect, Note, Refusal};
use fb_wire::{Decoded, WireError};
use http::Uri;

use super::{
    decode::StreamDecoder,
    error::{ErrorClass, ErrorResponse},
};
use crate::http::{BodyParts, CallerHeaders};

/// The parts of a call that differ between families of providers. Every method except
/// [`Protocol::learn`] is pure.
pub(crate) trait Protocol: fmt::Debug + Send + Sync + 'static {
    /// Decodes streamed answers.
    type Decoder: StreamDecoder;

    /// The dialect of requests and answers.
    const DIALECT: Dialect;

    /// Returns the capabilities of a model.
    fn capabilities(&self, model: &str) -> Capabilities;

    /// Checks that [`Protocol::prepare`] would succeed, with as little work as possible.
    fn admit(&self, call: Call<'_>) -> Result<(), Refusal>;

    /// Builds the request for a call.
    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<PreparedRequest, Refusal>;

    /// Reads the body of an answer with a success status.
    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError>;

    /// Creates a decoder for one streamed answer; `hide_usage` drops the bytes of token counts that the caller did not
    /// request.
    fn decoder(&self, hide_usage: bool) -> Self::Decoder;

    /// Classifies an error.
    fn classify(&self, error: &ErrorResponse<'_>) -> ErrorClass;

    /// Learns from an error what the model of the call rejects. Returns true if a request prepared anew would avoid it.
    fn learn(&self, _error: &ErrorResponse<'_>, _call: Call<'_>) -> bool {
        false
    }

    /// Describes why the provider blocked a prompt. Default: the message of the error.
    fn block_detail(&self, _body: &[u8], error: &ErrorResponse<'_>) -> String {
        error.detail()
    }

    /// The URI of a free request that shows whether the provider is reachable; `None` if there is none.
    fn probe_uri(&self) -> Option<&Uri>;
}

/// A request ready to be sent.
#[derive(Debug)]
pub(crate) struct PreparedRequest {
    pub(crate) uri: Uri,
    pub(crate) body: BodyParts,
    /// The headers of the caller that belong to the dialect.
    pub(crate) headers: CallerHeaders,
    /// The differences from the caller's request.
    pub(crate) notes: Vec<Note>,
    /// The request includes token counts that the caller did not request.
    pub(crate) hide_usage: bool,
    /// The request is adapted to a model that always thinks.
    pub(crate) thinking: bool,
}

impl PreparedRequest {
    /// Creates a request without headers of the caller, hidden token counts and adaptation.
    pub(crate) const fn new(uri: Uri, body: BodyParts, notes: Vec<Note>) -> Self {
        Self { uri, body, headers: Vec::new(), notes, hide_usage: false, thinking: false }
    }
}
