//! A provider that answers from a script.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use fb::{
    Block, BlockCategory, Call, CallError, Capabilities, Failure, Frame, Meta, Note, Provider, Refusal,
    Reply, StreamEvent, Streaming, Usage,
};
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

/// Text of every answer, and of every chunk of a stream.
const ANSWER_TEXT: &str = "I am here.";
/// Time between two chunks of a stream: shorter than any idle timeout.
const CHUNK_INTERVAL: Duration = Duration::from_millis(250);

/// The behavior of the stub providers of a dry run.
pub(crate) trait Script: Send + Sync + 'static {
    /// Returns the response of a provider to a call that is made now.
    fn respond(&self, provider: &str, call: Call<'_>) -> ScriptedResponse;
}

/// The response to one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScriptedResponse {
    /// Time to the first output of a stream; `None` if there is no output before the end.
    pub(crate) first: Option<Duration>,
    /// Time to the end.
    pub(crate) took: Duration,
    pub(crate) end: ResponseEnd,
}

/// The end of a response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ResponseEnd {
    /// An answer with this usage.
    Answer(Option<Usage>),
    Fail(Failure),
    Block(Option<Usage>),
    /// No response, ever.
    Hang,
}

/// A provider that accepts the requests that its adapter accepts, makes no call, and answers from a script.
pub(super) struct StubProvider {
    name: String,
    adapter: Arc<dyn Provider>,
    script: Arc<dyn Script>,
}

impl StubProvider {
    pub(super) fn new(name: &str, adapter: Arc<dyn Provider>, script: Arc<dyn Script>) -> Self {
        Self { name: name.to_owned(), adapter, script }
    }
}

#[async_trait]
impl Provider for StubProvider {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.adapter.capabilities(model)
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        self.adapter.admit(call)
    }

    fn losses(&self, call: Call<'_>) -> Vec<Note> {
        self.adapter.losses(call)
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let ScriptedResponse { took, end, .. } = self.script.respond(&self.name, call);
        sleep(took).await;
        match end {
            ResponseEnd::Answer(usage) => {
                Ok(Reply { text: ANSWER_TEXT.to_owned(), usage, ..Reply::default() })
            }
            ResponseEnd::Fail(failure) => Err(failure.into()),
            ResponseEnd::Block(usage) => Err(block(usage).into()),
            ResponseEnd::Hang => pending().await,
        }
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let ScriptedResponse { first, took, end } = self.script.respond(&self.name, call);
        let first = first.map(|first| first.min(took));
        sleep(first.unwrap_or(took)).await;
        let rest = first.map(|first| took.saturating_sub(first));
        let frames = match (rest, end) {
            (None, ResponseEnd::Fail(failure)) => return Err(failure.into()),
            (None, ResponseEnd::Block(usage)) => return Err(block(usage).into()),
            (None, ResponseEnd::Hang) => pending().await,
            (rest, end) => frames(rest.unwrap_or_default(), end),
        };
        Ok(Streaming { meta: Meta::default(), frames })
    }
}

/// Returns a stream of a chunk now, further ones at intervals, and the end after `rest`.
fn frames(rest: Duration, end: ResponseEnd) -> fb::FrameStream {
    let chunk = || Ok(Frame::event(StreamEvent::Text(ANSWER_TEXT.to_owned())));
    let intervals = rest.as_millis().saturating_sub(1) / CHUNK_INTERVAL.as_millis();
    let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
    let chunks = stream::iter(0..intervals).then(move |_| async move {
        sleep(CHUNK_INTERVAL).await;
        chunk()
    });
    let last = stream::once(async move {
        sleep(rest.saturating_sub(CHUNK_INTERVAL * intervals)).await;
        let events = match end {
            ResponseEnd::Answer(usage) => {
                usage.map(StreamEvent::Usage).into_iter().chain([StreamEvent::Done])
            }
            ResponseEnd::Block(usage) => {
                Some(StreamEvent::Blocked(block(usage))).into_iter().chain([StreamEvent::Done])
            }
            ResponseEnd::Fail(failure) => return stream::iter(vec![Err(failure)]),
            ResponseEnd::Hang => pending().await,
        };
        stream::iter(events.map(|event| Ok(Frame::event(event))).collect::<Vec<_>>())
    });
    Box::pin(stream::iter([chunk()]).chain(chunks).chain(last.flatten()))
}

fn block(usage: Option<Usage>) -> Block {
    Block { usage, ..Block::in_stream(BlockCategory::Output, "as recorded") }
}
