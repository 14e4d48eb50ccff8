//! One call over HTTP, the same for every dialect: send, check the head, read, decode, classify.

mod decode;
mod error;
mod frames;
mod head;
mod protocol;

use std::sync::Arc;

use fb_core::{
    AnswerHead, Block, BlockForm, Call, CallError, Failure, FailureKind, KeyInfo, Meta, Note, Probe, Raw,
    Refusal, Reply, Streaming,
};
use fb_wire::{Decoded, WireError};
use http::header::CONTENT_TYPE;

#[cfg(test)]
pub(crate) use self::error::check;
use self::head::ResponseHead;
pub(crate) use self::{
    decode::{MAX_EVENT, Sse, SseDialect, StreamDecoder},
    error::{ErrorClass, ErrorResponse, failure},
    protocol::{PreparedRequest, Protocol},
};
use crate::http::{Response, Upstream};

/// The calls of one protocol to one upstream.
#[derive(Debug)]
pub(crate) struct Exchange<P> {
    protocol: Arc<P>,
    upstream: Upstream,
}

impl<P: Protocol> Exchange<P> {
    pub(crate) fn new(protocol: P, upstream: Upstream) -> Self {
        Self { protocol: Arc::new(protocol), upstream }
    }

    pub(crate) fn protocol(&self) -> &P {
        &self.protocol
    }

    /// Returns the differences between the caller's request and the one that would be sent.
    pub(crate) fn losses(&self, call: Call<'_>) -> Vec<Note> {
        self.protocol.prepare(call, false).map(|request| request.notes).unwrap_or_default()
    }

    /// Makes a plain call.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub(crate) async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let (response, head, _) = self.send(call, false).await?;
        self.read_reply(response, head).await
    }

    /// Makes a streamed call; returns once the head of the answer has arrived.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream drops the connection.
    pub(crate) async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let (mut response, head, hide_usage) = self.send(call, true).await?;
        match media_type(response.header(CONTENT_TYPE).unwrap_or_default()).as_str() {
            // An error, or a provider that does not stream. Some servers label their streams as JSON too.
            "application/json" if response.starts_with_json().await? => {
                let reply = self.read_reply(response, head).await?;
                let meta = reply.meta.clone();
                Ok(Streaming { meta, frames: frames::from_reply(reply) })
            }
            "text/html" => {
                Err(head.failure(FailureKind::Malformed, "a page of HTML instead of a stream").into())
            }
            _ => {
                let decoder = self.protocol.decoder(hide_usage);
                let meta = head.meta.clone();
                let frames =
                    frames::from_body(response.into_body(), decoder, head, Arc::clone(&self.protocol));
                Ok(Streaming { meta, frames })
            }
        }
    }

    /// Returns the names and weights of the API keys, if there are several.
    pub(crate) fn keys(&self) -> &[KeyInfo] {
        self.upstream.keys()
    }

    /// Reads an API key again.
    pub(crate) async fn reload_key(&self, key: usize) {
        self.upstream.reload_key(key).await;
    }

    /// Returns the generation of an API key.
    pub(crate) fn key_generation(&self, key: usize) -> u64 {
        self.upstream.key_generation(key)
    }

    /// Checks that the upstream answers, without a billed call.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub(crate) async fn probe(&self, key: usize) -> Result<Probe, Failure> {
        let Some(uri) = self.protocol.probe_uri() else { return Ok(Probe::Unknown) };
        let mut response = self.upstream.get(uri, key).await?;
        match response.status() {
            200..=299 => Ok(Probe::Reachable),
            // The server lacks the resource, which is no evidence about its models.
            404 | 405 => Ok(Probe::Unknown),
            _ => match self.read_error(&mut response, "", None).await {
                ErrorAnswer::Final(CallError::Failed(failure)) => Err(failure),
                ErrorAnswer::Final(CallError::Blocked(_)) | ErrorAnswer::Learned { .. } => {
                    Ok(Probe::Reachable)
                }
            },
        }
    }

    /// Sends the request of a call and returns the response if its status is a success, and whether to hide its token
    /// counts. If the error shows what the model rejects, the request is adapted and sent once more, with a note.
    async fn send(&self, call: Call<'_>, stream: bool) -> Result<(Response, ResponseHead, bool), CallError> {
        let mut may_adapt = true;
        let mut rejected = None;
        loop {
            let mut request = self.protocol.prepare(call, stream).map_err(|refusal| refused(&refusal))?;
            let mut response =
                self.upstream.post(request.uri, request.body, request.headers, call.key.index).await?;
            let (status, limits) = (response.status(), error::rate_limits(&response));
            call.key.record_head(AnswerHead::new(status, limits));
            if response.is_success() {
                if let Some(field) = rejected {
                    add_resent(&mut request.notes, field);
                }
                let request_id = error::request_id(&response);
                let meta = Meta { request_id, notes: request.notes };
                let head = ResponseHead { status: response.status(), meta };
                return Ok((response, head, request.hide_usage));
            }
            may_adapt &= !request.thinking;
            let learner = may_adapt.then_some(call);
            match self.read_error(&mut response, call.model, learner).await {
                ErrorAnswer::Final(error) => return Err(error),
                ErrorAnswer::Learned { field } => (may_adapt, rejected) = (false, Some(field)),
            }
        }
    }

    async fn read_reply(&self, response: Response, head: ResponseHead) -> Result<Reply, CallError> {
        let body = response.collect().await?;
        match self.protocol.reply(&body) {
            Ok(Decoded::Reply(mut reply)) => {
                reply.meta = head.meta;
                Ok(reply)
            }
            Ok(Decoded::Blocked(block)) => Err(block.into()),
            Err(WireError::Malformed(detail)) => Err(head.failure(FailureKind::Malformed, detail).into()),
            Err(WireError::Reported(reported)) => {
                let error = ErrorResponse { status: None, body: &reported };
                match error.correct(self.protocol.classify(&error)) {
                    ErrorClass::Failed(kind, scope) => Err(head.reported_failure(kind, scope, &error).into()),
                    ErrorClass::Blocked(category) => {
                        let detail = self.protocol.block_detail(&body, &error);
                        let raw = Some(Raw { dialect: P::DIALECT, bytes: body });
                        let form = BlockForm::Body { status: head.status, raw };
                        Err(Block { form, ..Block::in_stream(category, detail) }.into())
                    }
                }
            }
        }
    }

    /// Reads and classifies the body of a response with an error status; `model` is the one that was called.
    async fn read_error(
        &self,
        response: &mut Response,
        model: &str,
        learner: Option<Call<'_>>,
    ) -> ErrorAnswer {
        let status = response.status();
        let bytes = response.collect_error().await;
        let body = fb_wire::errors::read(&bytes);
        let error = ErrorResponse { status: Some(status), body: &body };
        if learner.is_some_and(|call| self.protocol.learn(&error, call)) {
            return ErrorAnswer::Learned { field: body.param.as_deref().unwrap_or_default().to_owned() };
        }
        ErrorAnswer::Final(match error.of_model(error.correct(self.protocol.classify(&error)), model) {
            ErrorClass::Failed(kind, scope) => {
                failure(kind, scope, &error, status, &|name| response.header(name)).into()
            }
            ErrorClass::Blocked(category) => {
                let detail = self.protocol.block_detail(&bytes, &error);
                let form = BlockForm::Body { status, raw: Some(Raw { dialect: P::DIALECT, bytes }) };
                Block { form, ..Block::in_stream(category, detail) }.into()
            }
        })
    }
}

/// An answer with an error status.
enum ErrorAnswer {
    Final(CallError),
    /// The protocol has learned from it that the model rejects this field, and how to send the call.
    Learned {
        field: String,
    },
}

/// Adds that the request was sent a second time without this field, which the model had rejected.
fn add_resent(notes: &mut Vec<Note>, field: String) {
    match notes.iter_mut().find(|note| note.field == field) {
        Some(note) => note.what.push_str("; sent again after the model had rejected it"),
        None => notes.push(Note::new(field, "sent again after the model had rejected it")),
    }
}

/// Converts a refusal into a failure. Such calls are normally filtered out by [`fb_core::Provider::admit`].
fn refused(refusal: &Refusal) -> Failure {
    Failure::new(FailureKind::InvalidRequest, refusal.to_string())
}

/// Returns a media type without its parameters, in lower case.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
