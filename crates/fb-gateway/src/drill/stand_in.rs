use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use fb::{
    Call, CallError, Capabilities, Frame, Meta, Note, Provider, Refusal, Reply, StreamEvent, Streaming, Usage,
};
use futures_util::stream;
use tokio::time::sleep;

use super::outage::{Fault, Outage};

/// How long an answer takes.
const ANSWER: Duration = Duration::from_millis(500);
/// How long a failure takes that does not hang.
const FAILURE: Duration = Duration::from_millis(100);
/// What every answer says.
const WORDS: &str = "I am here.";

/// In a provider's place: takes what its adapter would take, sends nothing, and answers unless it is down.
#[derive(Debug)]
pub(super) struct StandIn {
    name: String,
    adapter: Adapter,
    outage: Arc<Outage>,
}

/// An adapter, which prints as nothing: it holds a key.
struct Adapter(Arc<dyn Provider>);

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Adapter")
    }
}

impl StandIn {
    pub(super) fn new(name: &str, adapter: Arc<dyn Provider>, outage: Arc<Outage>) -> Self {
        Self { name: name.to_owned(), adapter: Adapter(adapter), outage }
    }

    /// Takes the time that an answer or a failure takes.
    async fn act(&self, call: Call<'_>) -> Result<(), Fault> {
        match self.outage.of(&self.name, call.model) {
            None => {
                sleep(ANSWER).await;
                Ok(())
            }
            Some(fault) => {
                sleep(FAILURE).await;
                Err(fault)
            }
        }
    }
}

#[async_trait]
impl Provider for StandIn {
    fn capabilities(&self, model: &str) -> Capabilities {
        self.adapter.0.capabilities(model)
    }

    fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
        self.adapter.0.admit(call)
    }

    fn losses(&self, call: Call<'_>) -> Vec<Note> {
        self.adapter.0.losses(call)
    }

    async fn chat(&self, call: Call<'_>) -> Result<Reply, CallError> {
        match self.act(call).await.map_err(Fault::failure) {
            Ok(()) => Ok(Reply { text: WORDS.to_owned(), usage: Some(usage()), ..Reply::default() }),
            Err(Some(failure)) => Err(failure.into()),
            Err(None) => pending().await,
        }
    }

    async fn stream(&self, call: Call<'_>) -> Result<Streaming, CallError> {
        let frames = match self.act(call).await {
            Ok(()) => {
                let text = StreamEvent::Text(WORDS.to_owned());
                let events = [text, StreamEvent::Usage(usage()), StreamEvent::Done];
                events.map(|event| Ok(Frame::event(event))).to_vec()
            }
            Err(fault) => match fault.failure() {
                Some(failure) if fault == Fault::Cut => vec![Err(failure)],
                Some(failure) => return Err(failure.into()),
                None => pending().await,
            },
        };
        Ok(Streaming { meta: Meta::default(), frames: Box::pin(stream::iter(frames)) })
    }
}

fn usage() -> Usage {
    Usage { input: 10, output: 5, ..Usage::default() }
}
