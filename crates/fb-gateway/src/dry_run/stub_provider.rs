use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use fb::{
    Block, BlockCategory, Call, CallError, Capabilities, Failure, Frame, Meta, Note, Provider, Refusal,
    Reply, StreamEvent, Streaming, Usage,
};
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

/// What every answer says.
const WORDS: &str = "I am here.";
/// Between two outputs of a stream: shorter than any guard against silence.
const BEAT: Duration = Duration::from_millis(250);

/// What the stand-ins of a stage do.
pub(crate) trait Script: Send + Sync + 'static {
    /// What a provider does when it is called now.
    fn act(&self, provider: &str, call: Call<'_>) -> Act;
}

/// What comes of one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Act {
    /// Until the first output of a stream; `None`: there is none before the end.
    pub(crate) first: Option<Duration>,
    /// Until the end.
    pub(crate) took: Duration,
    pub(crate) end: End,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// With an answer of so many tokens.
    Answer(Option<Usage>),
    Fail(Failure),
    Block(Option<Usage>),
    /// Not at all.
    Silent,
}

/// In a provider's place: takes what its adapter would take, sends nothing, and does what the script says.
pub(super) struct StandIn {
    name: String,
    adapter: Arc<dyn Provider>,
    script: Arc<dyn Script>,
}

impl StandIn {
    pub(super) fn new(name: &str, adapter: Arc<dyn Provider>, script: Arc<dyn Script>) -> Self {
        Self { name: name.to_owned(), adapter, script }
    }
}

#[async_trait]
impl Provider for StandIn {
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
        let Act { took, end, .. } = self.script.act(&self.name, call);
        sleep(took).await;
        match end {
            End::Answer(usage) => Ok(Reply { text: WORDS.to_owned(), usage, ..Reply::default() }),
            End::Fail(failure) => Err(failure.into()),
            End::Block(usage) => Err(block(usage).into()),
            End::Silent => pending().await,
        }
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let Act { first, took, end } = self.script.act(&self.name, call);
        let first = first.map(|first| first.min(took));
        sleep(first.unwrap_or(took)).await;
        let rest = first.map(|first| took.saturating_sub(first));
        let frames = match (rest, end) {
            (None, End::Fail(failure)) => return Err(failure.into()),
            (None, End::Block(usage)) => return Err(block(usage).into()),
            (None, End::Silent) => pending().await,
            (rest, end) => output(rest.unwrap_or_default(), end),
        };
        Ok(Streaming { meta: Meta::default(), frames })
    }
}

/// Output now, a word now and then for so long, and the end.
fn output(rest: Duration, end: End) -> fb::FrameStream {
    let words = || Ok(Frame::event(StreamEvent::Text(WORDS.to_owned())));
    let beats = u32::try_from(rest.as_millis().saturating_sub(1) / BEAT.as_millis()).unwrap_or(u32::MAX);
    let talk = stream::iter(0..beats).then(move |_| async move {
        sleep(BEAT).await;
        words()
    });
    let last = stream::once(async move {
        sleep(rest.saturating_sub(BEAT * beats)).await;
        let events = match end {
            End::Answer(usage) => usage.map(StreamEvent::Usage).into_iter().chain([StreamEvent::Done]),
            End::Block(usage) => {
                Some(StreamEvent::Blocked(block(usage))).into_iter().chain([StreamEvent::Done])
            }
            End::Fail(failure) => return stream::iter(vec![Err(failure)]),
            End::Silent => pending().await,
        };
        stream::iter(events.map(|event| Ok(Frame::event(event))).collect::<Vec<_>>())
    });
    Box::pin(stream::iter([words()]).chain(talk).chain(last.flatten()))
}

fn block(usage: Option<Usage>) -> Block {
    Block { usage, ..Block::in_stream(BlockCategory::Output, "as recorded") }
}
