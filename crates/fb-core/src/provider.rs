use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Block, ChatRequest, Failure, Json, Note, Reply, Streaming};

/// An upstream that answers chats.
///
/// Implementations MUST cancel the upstream call when the returned future or stream is dropped, MUST NOT retry or
/// follow redirects, MUST emit [`StreamEvent::Done`](crate::StreamEvent::Done) only for the provider's own end
/// signal, and MUST emit an empty [`Frame`](crate::Frame) for signs of life without meaning (pings, comments).
/// Callers may drop any future at any await.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What a model can do; pure and quick.
    fn capabilities(&self, model: &str) -> Capabilities;

    /// Whether the call can be made without losing what the caller asked for; pure, sends nothing.
    ///
    /// # Errors
    /// The field that cannot be carried to this provider, and why.
    fn admit(&self, call: Call<'_>) -> Result<(), Refusal>;

    /// What would be sent differently from what the caller asked for; pure, sends nothing. The answer's head says it
    /// again.
    fn losses(&self, _call: Call<'_>) -> Vec<Note> {
        Vec::new()
    }

    /// Answers with a whole reply.
    ///
    /// # Errors
    /// A classified failure, or a block.
    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError>;

    /// Answers with a stream; returns when the answer's head is there, so that failures known by then are errors
    /// of this call and not of the stream.
    ///
    /// # Errors
    /// A classified failure, or a block.
    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError>;

    /// Asks whether the provider is there, without a billed call.
    ///
    /// # Errors
    /// A classified failure.
    async fn probe(&self) -> Result<Probe, Failure> {
        Ok(Probe::Unknown)
    }
}

const _: fn(&dyn Provider) = |_| {};

/// A shared provider is a provider.
#[async_trait]
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn capabilities(&self, model: &str) -> Capabilities {
        (**self).capabilities(model)
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        (**self).admit(call)
    }

    fn losses(&self, call: Call<'_>) -> Vec<Note> {
        (**self).losses(call)
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        (**self).chat(call).await
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        (**self).stream(call).await
    }

    async fn probe(&self) -> Result<Probe, Failure> {
        (**self).probe().await
    }
}

/// One call to a provider.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What the caller asked.
    pub request: &'a ChatRequest,
    /// The model's name at this provider.
    pub model: &'a str,
    /// Top-level fields of the provider's dialect that the target sets.
    pub overrides: &'a Overrides,
}

/// Top-level fields, in the provider's dialect, that a target sets whatever the caller asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides(pub Vec<(String, Json)>);

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent ability")]
pub struct Capabilities {
    /// Calls functions.
    pub tools: bool,
    /// Follows a JSON schema.
    pub json_schema: bool,
    /// Sees pictures.
    pub vision: bool,
    /// Streams.
    pub streaming: bool,
    /// Most tokens of prompt and answer together, if known.
    pub context: Option<u64>,
    /// Largest request body in bytes, if known.
    pub max_body: Option<u64>,
}

impl Default for Capabilities {
    /// Everything, with unknown sizes: an unknown model is tried, not refused.
    fn default() -> Self {
        Self { tools: true, json_schema: true, vision: true, streaming: true, context: None, max_body: None }
    }
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The provider has no free probe, or its answer says nothing.
    Unknown,
    /// The provider answered. Says nothing about a model's capacity.
    Reachable,
}

/// Why a call was not made: something the caller asked for cannot be carried to this target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The field, such as `logit_bias`.
    pub field: String,
    /// Why, in a few words.
    pub why: String,
}

impl Refusal {
    /// Names the field and why it cannot be carried.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

/// Why a call gave no reply: a failure, or a block. There is no third way.
#[derive(Debug)]
pub enum CallError {
    /// A classified failure.
    Failed(Failure),
    /// A content-policy refusal.
    Blocked(Box<Block>),
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Block> for CallError {
    fn from(block: Block) -> Self {
        Self::Blocked(Box::new(block))
    }
}
