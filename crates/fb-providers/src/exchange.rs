//! One call over HTTP, the same for every dialect: send, look at the head, read, decode, classify.

mod frames;
mod said;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use fb_core::{
    Block, BlockForm, Call, CallError, Capabilities, Dialect, Failure, FailureKind, Meta, Note, Probe, Raw,
    Refusal, Reply, Streaming,
};
use fb_wire::{Decoded, WireError};

pub(crate) use self::{
    frames::{Decode, MAX_EVENT, Sse, SseDialect},
    said::{Class, Said, by_status},
};
use crate::http::{Answer, Parts, Upstream};

/// What one family of providers does its own way; everything here is pure.
pub(crate) trait Family: fmt::Debug + Send + Sync + 'static {
    /// Reads its streams.
    type Decoder: Decode;

    /// Its wire language.
    const DIALECT: Dialect;

    /// What a model can do.
    fn capabilities(&self, model: &str) -> Capabilities;

    /// Whether [`Family::prepare`] would succeed, as cheaply as that can be told.
    fn admit(&self, call: Call<'_>) -> Result<(), Refusal>;

    /// The request that carries the call.
    fn prepare(&self, call: Call<'_>, stream: bool) -> Result<Outbound, Refusal>;

    /// Reads the body of an answer with a good status.
    fn reply(&self, body: &Bytes) -> Result<Decoded, WireError>;

    /// A reader of one streamed answer; `silent` leaves out the bytes of token counts the caller did not ask for.
    fn decoder(&self, silent: bool) -> Self::Decoder;

    /// What an error means.
    fn classify(&self, said: &Said<'_>) -> Class;

    /// What a refused prompt's answer says about why.
    fn block_detail(&self, _body: &[u8], said: &Said<'_>) -> String {
        said.detail()
    }

    /// Where its free answer is.
    fn probe(&self) -> Option<&reqwest::Url>;
}

/// A request on its way out.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) url: reqwest::Url,
    pub(crate) body: Parts,
    /// What it says differently from what the caller asked.
    pub(crate) notes: Vec<Note>,
    /// Whether the caller did not ask for the token counts that we ask for.
    pub(crate) silent: bool,
}

/// A family of providers at one upstream.
#[derive(Debug)]
pub(crate) struct Exchange<F> {
    family: Arc<F>,
    upstream: Upstream,
}

impl<F: Family> Exchange<F> {
    pub(crate) fn new(family: F, upstream: Upstream) -> Self {
        Self { family: Arc::new(family), upstream }
    }

    pub(crate) fn family(&self) -> &F {
        &self.family
    }

    /// What would be sent differently from what the caller asked for.
    pub(crate) fn losses(&self, call: Call<'_>) -> Vec<Note> {
        self.family.prepare(call, false).map(|outbound| outbound.notes).unwrap_or_default()
    }

    /// One plain call.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub(crate) async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let outbound = self.family.prepare(call, false).map_err(|refusal| refused(&refusal))?;
        let answer = self.upstream.post(&outbound.url, outbound.body).await?;
        let (answer, head) = self.accepted(answer, outbound.notes).await?;
        self.whole(answer, head).await
    }

    /// One streamed call; returns when the head of the answer is there.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream drops the connection.
    pub(crate) async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let outbound = self.family.prepare(call, true).map_err(|refusal| refused(&refusal))?;
        let answer = self.upstream.post(&outbound.url, outbound.body).await?;
        let (mut answer, head) = self.accepted(answer, outbound.notes).await?;
        match essence(answer.header("content-type").unwrap_or_default()).as_str() {
            // An error after all, or a provider that does not stream. Some servers call their streams JSON as well.
            "application/json" if answer.begins_as_json().await? => {
                let reply = self.whole(answer, head).await?;
                let meta = reply.meta.clone();
                Ok(Streaming { meta, frames: frames::of_reply(reply) })
            }
            "text/html" => {
                Err(head.failure(FailureKind::Malformed, "a page of HTML instead of a stream").into())
            }
            _ => {
                let decoder = self.family.decoder(outbound.silent);
                let meta = head.meta.clone();
                let frames = frames::of_body(answer.into_body(), decoder, head, Arc::clone(&self.family));
                Ok(Streaming { meta, frames })
            }
        }
    }

    /// Whether the upstream answers, without a billed call.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub(crate) async fn probe(&self) -> Result<Probe, Failure> {
        let Some(url) = self.family.probe() else { return Ok(Probe::Unknown) };
        let mut answer = self.upstream.get(url).await?;
        match answer.status() {
            200..=299 => Ok(Probe::Reachable),
            // It has no such resource, which says nothing of its models.
            404 | 405 => Ok(Probe::Unknown),
            _ => match self.rejected(&mut answer).await {
                CallError::Failed(failure) => Err(failure),
                CallError::Blocked(_) => Ok(Probe::Reachable),
            },
        }
    }

    /// The answer, if its status is good.
    async fn accepted(&self, mut answer: Answer, notes: Vec<Note>) -> Result<(Answer, Head), CallError> {
        if answer.is_success() {
            let request_id = said::request_id(&answer);
            let head = Head { status: answer.status(), meta: Meta { request_id, notes } };
            return Ok((answer, head));
        }
        Err(self.rejected(&mut answer).await)
    }

    async fn whole(&self, answer: Answer, head: Head) -> Result<Reply, CallError> {
        let body = answer.collect().await?;
        match self.family.reply(&body) {
            Ok(Decoded::Reply(mut reply)) => {
                reply.meta = head.meta;
                Ok(reply)
            }
            Ok(Decoded::Blocked(block)) => Err(block.into()),
            Err(WireError::Malformed(detail)) => Err(head.failure(FailureKind::Malformed, detail).into()),
            Err(WireError::Said(error)) => {
                let said = Said { status: None, body: &error };
                match said.settle(self.family.classify(&said)) {
                    Class::Failed(kind) => Err(head.said(kind, &said).into()),
                    Class::Blocked(category) => {
                        let detail = self.family.block_detail(&body, &said);
                        let raw = Some(Raw { dialect: F::DIALECT, bytes: body });
                        let form = BlockForm::Body { status: head.status, raw };
                        Err(Block { form, ..Block::in_stream(category, detail) }.into())
                    }
                }
            }
        }
    }

    /// What an answer with a bad status means.
    async fn rejected(&self, answer: &mut Answer) -> CallError {
        let status = answer.status();
        let bytes = answer.collect_error().await;
        let body = fb_wire::errors::read(&bytes);
        let said = Said { status: Some(status), body: &body };
        match said.settle(self.family.classify(&said)) {
            Class::Failed(kind) => said::failure(kind, &said, answer).into(),
            Class::Blocked(category) => {
                let detail = self.family.block_detail(&bytes, &said);
                let form = BlockForm::Body { status, raw: Some(Raw { dialect: F::DIALECT, bytes }) };
                Block { form, ..Block::in_stream(category, detail) }.into()
            }
        }
    }
}

/// What is known of an answer with a good status before its body.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    status: u16,
    meta: Meta,
}

impl Head {
    fn failure(&self, kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure::new(kind, detail).with_request_id(self.meta.request_id.clone())
    }

    /// A failure that the provider reports inside an answer with a good status.
    fn said(&self, kind: FailureKind, said: &Said<'_>) -> Failure {
        let id = self.meta.request_id.clone().or_else(|| said.request_id().map(ToOwned::to_owned));
        Failure::new(kind, said.detail())
            .with_code(said.shown_code())
            .with_request_id(id)
            .with_hint(said.hint())
    }
}

/// A call that should not have been made: [`fb_core::Provider::admit`] says so.
fn refused(refusal: &Refusal) -> Failure {
    Failure::new(FailureKind::InvalidRequest, refusal.to_string())
}

/// A media type without its parameters.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Asserts what a family makes of an error; a status of 0 is one inside an answer with a good status.
#[cfg(test)]
#[track_caller]
pub(crate) fn check(classify: impl Fn(&Said<'_>) -> Class, status: u16, body: &str, expected: &str) {
    let body = fb_wire::errors::read(body.as_bytes());
    let said = Said { status: Some(status).filter(|status| *status != 0), body: &body };
    let shown = match said.settle(classify(&said)) {
        Class::Failed(kind) => kind.to_string(),
        Class::Blocked(category) => format!("blocked: {category}"),
    };
    assert_eq!(shown, expected, "{status} {body:?}");
}
