use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{Block, ChatRequest, Failure, Json, Note, Reply, Streaming};

/// An upstream that answers chat requests.
///
/// An implementation translates a [`Call`] to the upstream's protocol, makes exactly one upstream call, and classifies
/// its outcome. Retries, failover, timeouts and circuit breaking are the engine's work.
///
/// # Implementing
///
/// An implementation
///
/// - must cancel the upstream call when the returned future or stream is dropped, because the engine enforces timeouts
///   and cancels the losers of a race by dropping them;
/// - must not retry and must not follow redirects, because every call to an upstream has to appear in the trace and count
///   towards the request's limits;
/// - must not limit the time of an answer, because the target's time limits are the engine's, and a slow answer that is cut counts as
///   a failure;
/// - must limit the size of what it keeps of an answer in memory (the built-in adapters: 64 MiB), because a body of any size can arrive;
/// - must keep the time to wait that the upstream sent ([`Failure::with_retry_after`]), because retries and cooldowns follow it;
/// - must end a stream after its first failure, and must not emit output after the end signal;
/// - must emit [`StreamEvent::Done`](crate::StreamEvent::Done) only for the provider's own end signal, because a stream
///   that ends without it counts as interrupted;
/// - must emit an empty [`Frame`](crate::Frame) for signs of life without content (pings, comments), because the engine
///   measures the idle timeout between frames;
/// - must return a content-policy refusal as [`CallError::Blocked`], never as a failure, because failures cause failover;
/// - must not put secrets or prompt text into the detail of a [`Failure`], because details appear in logs and traces;
/// - may keep connections and other state between calls. Methods are called concurrently.
///
/// `fb::providers::conformance` checks these points against an upstream under the author's control.
///
/// # Cancel safety
///
/// Callers may drop any returned future or stream at any time.
///
/// # Examples
///
/// ```
/// use fb_core::{
///     Call, CallError, Capabilities, Failure, FailureKind, Provider, Refusal, Reply, Streaming, async_trait,
/// };
///
/// /// Answers every chat with the same text.
/// struct Fixed(&'static str);
///
/// #[async_trait]
/// impl Provider for Fixed {
///     fn capabilities(&self, _model: &str) -> Capabilities {
///         Capabilities { streaming: false, ..Capabilities::default() }
///     }
///
///     fn admit(&self, _call: Call<'_>) -> Result<(), Refusal> {
///         Ok(())
///     }
///
///     async fn chat(&self, _call: Call<'_>) -> Result<Reply, CallError> {
///         Ok(Reply { text: self.0.to_owned(), ..Reply::default() })
///     }
///
///     async fn stream(&self, _call: Call<'_>) -> Result<Streaming, CallError> {
///         Err(Failure::new(FailureKind::InvalidRequest, "streams are not supported").into())
///     }
/// }
/// ```
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Returns the capabilities of a model.
    ///
    /// Called for every request: must not block or make a call.
    fn capabilities(&self, model: &str) -> Capabilities;

    /// Returns true if an answer has shown that the model always thinks, which its name does not.
    ///
    /// Called for every request: must not block. The default implementation returns false.
    fn has_learned_thinking(&self, _model: &str) -> bool {
        false
    }

    /// Checks whether the call can be made without dropping anything the caller set. Sends nothing.
    ///
    /// What [`capabilities`](Self::capabilities) excludes need not be refused here: the target is skipped before.
    ///
    /// # Errors
    /// The field that this provider cannot honour, with the reason. The target is then skipped without using an attempt.
    fn admit(&self, call: Call<'_>) -> Result<(), Refusal>;

    /// Lists the differences between the caller's request and the request that would be sent. Sends nothing.
    ///
    /// The same notes are returned with the answer, in [`Meta::notes`](crate::Meta::notes).
    fn losses(&self, _call: Call<'_>) -> Vec<Note> {
        Vec::new()
    }

    /// Makes the call and returns the whole reply.
    ///
    /// # Errors
    /// A classified failure, or a content-policy refusal.
    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError>;

    /// Makes the call and returns a stream as soon as the response head has arrived.
    ///
    /// Failures up to that point are returned here, later ones by the stream.
    ///
    /// # Errors
    /// A classified failure, or a content-policy refusal.
    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError>;

    /// Checks whether the provider is reachable, without a billed call, with one of its API keys.
    ///
    /// The default implementation returns [`Probe::Unknown`].
    ///
    /// # Errors
    /// A classified failure.
    async fn probe(&self, _key: usize) -> Result<Probe, Failure> {
        Ok(Probe::Unknown)
    }

    /// Returns the API keys, if there are several: a call names one of them by its place in [`CallKey::index`]. Each has rate
    /// limits, pauses and rejections of its own.
    ///
    /// The default implementation returns none: the provider has one key at most, at place 0.
    fn keys(&self) -> &[KeyInfo] {
        &[]
    }

    /// Reads an API key again from where the configuration has it, for the calls that follow. A key that cannot be read
    /// stays as it is.
    ///
    /// Called before a rejected key is tried again. Must not take longer than about a second, even if a disk hangs. The
    /// default implementation does nothing.
    async fn reload_key(&self, _key: usize) {}

    /// Returns the generation of an API key as calls use it from now on: a number that grows whenever another secret takes
    /// the place of the previous one.
    ///
    /// Called for every request: must not block. The default implementation returns 0, as its key never changes.
    fn key_generation(&self, _key: usize) -> u64 {
        0
    }
}

const _: fn(&dyn Provider) = |_| {};

/// Forwards to the shared provider.
#[async_trait]
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn capabilities(&self, model: &str) -> Capabilities {
        (**self).capabilities(model)
    }

    fn has_learned_thinking(&self, model: &str) -> bool {
        (**self).has_learned_thinking(model)
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

    async fn probe(&self, key: usize) -> Result<Probe, Failure> {
        (**self).probe(key).await
    }

    fn keys(&self) -> &[KeyInfo] {
        (**self).keys()
    }

    async fn reload_key(&self, key: usize) {
        (**self).reload_key(key).await;
    }

    fn key_generation(&self, key: usize) -> u64 {
        (**self).key_generation(key)
    }
}

/// One call to a provider.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The request.
    pub request: &'a ChatRequest,
    /// The provider's name for the model.
    pub model: &'a str,
    /// Top-level fields set by the target, in the provider's dialect.
    pub overrides: &'a Overrides,
    /// `true` if the model always thinks and therefore rejects fields that others accept; `None` if that is to be derived
    /// from its name.
    pub thinking: Option<bool>,
    /// The API key that the call uses.
    pub key: CallKey<'a>,
}

/// The API key of a call, and the observer of the answers to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallKey<'a> {
    /// The place of the key among those of the provider.
    pub index: usize,
    /// Notified once the head of an answer has arrived; an adapter may leave it out.
    pub observer: Option<&'a dyn KeyObserver>,
}

impl CallKey<'_> {
    /// Notifies the observer, if there is one, that the head of an answer has arrived.
    pub fn record_head(&self, head: AnswerHead) {
        if let Some(observer) = self.observer {
            observer.on_head(head);
        }
    }
}

/// Observes the answers to an API key.
///
/// The engine implements it, to rank keys by what is left of their rate limits. An adapter calls it through
/// [`CallKey::record_head`], once for each response, errors included; it must not call it for a response that never arrived.
pub trait KeyObserver: fmt::Debug + Send + Sync {
    /// Called when the head of an answer has arrived, before its body is read. Must not block.
    fn on_head(&self, head: AnswerHead);
}

/// The facts of an answer that concern its API key.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AnswerHead {
    /// The HTTP status.
    pub status: u16,
    /// The rate limits as the headers state them.
    pub limits: RateLimits,
}

impl AnswerHead {
    /// Creates the facts of an answer.
    pub const fn new(status: u16, limits: RateLimits) -> Self {
        Self { status, limits }
    }
}

/// What an answer states about the rate limits of its API key.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct RateLimits {
    /// The smallest share of any limit that is left, from 0 to 1, and the time until that limit is whole again.
    pub left: Option<(f64, Duration)>,
    /// The time until every limit of which nothing is left is reset; `None` if something is left of all.
    pub exhausted: Option<Duration>,
}

/// An API key of a provider that has several.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// The name in traces and metrics, which is not the secret.
    pub name: Arc<str>,
    /// The share of the calls that the key gets, relative to the other keys.
    pub weight: f64,
}

impl KeyInfo {
    /// Creates a key with this name and weight.
    pub fn new(name: impl Into<Arc<str>>, weight: f64) -> Self {
        Self { name: name.into(), weight }
    }
}

/// Top-level fields, in the provider's dialect, that replace those of the request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides(pub Vec<(String, Json)>);

/// The capabilities of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent capability")]
pub struct Capabilities {
    /// Function calling.
    pub tools: bool,
    /// Answers that conform to a JSON schema.
    pub json_schema: bool,
    /// Image input.
    pub vision: bool,
    /// Streamed answers.
    pub streaming: bool,
    /// Continuation of an assistant message at the end of the conversation.
    pub prefill: bool,
    /// The size of the context window in tokens, prompt and answer together, if known.
    pub context: Option<u64>,
    /// The maximum request body in bytes, if known.
    pub max_body: Option<u64>,
}

impl Default for Capabilities {
    /// Returns all capabilities with unknown sizes, so that an unknown model is tried and not skipped; except for prefill,
    /// which is only used where it is known to work.
    fn default() -> Self {
        Self {
            tools: true,
            json_schema: true,
            vision: true,
            streaming: true,
            prefill: false,
            context: None,
            max_body: None,
        }
    }
}

/// The result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The provider offers no free probe, or its answer was inconclusive.
    Unknown,
    /// The provider answered. This implies nothing about the capacity of a model.
    Reachable,
}

/// A field of the request that a target cannot honour; the call is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The field, such as `logit_bias`.
    pub field: String,
    /// The reason, in a few words.
    pub why: String,
}

impl Refusal {
    /// Creates a refusal of a field.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

/// The error of a call: a failure or a content-policy refusal.
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

crate::with_changes!(RateLimits);
