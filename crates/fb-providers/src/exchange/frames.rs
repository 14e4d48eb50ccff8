use std::{
    collections::VecDeque,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use fb_core::{Block, Failure, FailureKind, Frame, FrameStream, Reply, StreamEvent, ToolDelta};
use fb_wire::{
    WireError,
    sse::{SseDecoder, SseEvent},
};
use futures_util::{Stream, stream};

use super::{Class, Family, Head, Said};
use crate::http::Incoming;

/// Largest event or line of a stream.
pub(crate) const MAX_EVENT: usize = fb_wire::sse::MAX_EVENT;

/// Makes frames of the bytes of a stream, however they are cut.
pub(crate) trait Decode: Send + Unpin + 'static {
    /// Takes the next bytes and appends the frames they complete; those before an error count.
    fn push(&mut self, bytes: &Bytes, out: &mut VecDeque<Frame>) -> Result<(), WireError>;

    /// Takes the clean end of the bytes.
    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError>;
}

/// A dialect whose streams are server-sent events.
pub(crate) trait SseDialect: Send + Unpin + 'static {
    /// What one event means.
    fn frame(&mut self, event: &SseEvent) -> Result<Frame, WireError>;

    /// What the end of the bytes means.
    fn finish(&mut self) -> Option<StreamEvent>;
}

/// Server-sent events in some dialect.
#[derive(Debug)]
pub(crate) struct Sse<D> {
    framing: SseDecoder,
    events: Vec<SseEvent>,
    dialect: D,
    silent: bool,
}

impl<D: SseDialect> Sse<D> {
    pub(crate) fn new(dialect: D, silent: bool) -> Self {
        Self { framing: SseDecoder::new(MAX_EVENT), events: Vec::new(), dialect, silent }
    }

    fn take(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        for event in self.events.drain(..) {
            let mut frame = self.dialect.frame(&event)?;
            if self.silent && tells_usage_only(&frame) {
                frame.raw = None;
            }
            out.push_back(frame);
        }
        Ok(())
    }
}

fn tells_usage_only(frame: &Frame) -> bool {
    !frame.events.is_empty() && frame.events.iter().all(|event| matches!(event, StreamEvent::Usage(_)))
}

impl<D: SseDialect> Decode for Sse<D> {
    fn push(&mut self, bytes: &Bytes, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        let framed = self.framing.push(bytes, &mut self.events);
        self.take(out)?;
        framed.map_err(|error| WireError::Malformed(error.to_string()))
    }

    fn finish(&mut self, out: &mut VecDeque<Frame>) -> Result<(), WireError> {
        self.framing.finish(&mut self.events);
        self.take(out)?;
        out.extend(self.dialect.finish().map(Frame::event));
        Ok(())
    }
}

/// A whole reply as the frames of a stream.
pub(super) fn of_reply(reply: Reply) -> FrameStream {
    let text = |text: String, event: fn(String) -> StreamEvent| {
        Some(text).filter(|text| !text.is_empty()).map(event)
    };
    let mut events = vec![StreamEvent::Started { id: reply.id, model: reply.model }];
    events.extend(text(reply.thinking, StreamEvent::Thinking));
    events.extend(text(reply.text, StreamEvent::Text));
    events.extend((0..).zip(reply.tool_calls).map(|(index, call)| {
        StreamEvent::ToolCall(ToolDelta {
            index,
            id: Some(call.id),
            name: Some(call.name),
            arguments: call.arguments,
        })
    }));
    events.push(StreamEvent::Finish(reply.finish));
    events.extend(reply.usage.map(StreamEvent::Usage));
    events.push(StreamEvent::Done);
    Box::pin(stream::iter(events.into_iter().map(|event| Ok(Frame::event(event)))))
}

/// The frames of a streamed body.
pub(super) fn of_body<F: Family>(
    body: Incoming,
    decoder: F::Decoder,
    head: Head,
    family: Arc<F>,
) -> FrameStream {
    Box::pin(Pump { body: Some(body), decoder, ready: VecDeque::new(), failed: None, head, family })
}

struct Pump<F: Family> {
    /// Gone once the body has ended; with it goes the connection.
    body: Option<Incoming>,
    decoder: F::Decoder,
    ready: VecDeque<Frame>,
    /// What broke the stream, told after the frames before it.
    failed: Option<Failure>,
    head: Head,
    family: Arc<F>,
}

impl<F: Family> Stream for Pump<F> {
    type Item = Result<Frame, Failure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(frame) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if let Some(failure) = this.failed.take() {
                return Poll::Ready(Some(Err(failure)));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            // The future holds nothing between polls.
            let chunk = ready!(pin!(body.chunk()).poll(cx));
            this.take(chunk);
        }
    }
}

impl<F: Family> Pump<F> {
    /// Takes the next bytes, the end, or what broke.
    fn take(&mut self, chunk: Result<Option<Bytes>, Failure>) {
        let decoded = match chunk {
            Ok(Some(bytes)) => self.decoder.push(&bytes, &mut self.ready),
            Ok(None) => {
                self.body = None;
                self.decoder.finish(&mut self.ready)
            }
            Err(failure) => {
                self.body = None;
                self.failed = Some(failure.with_request_id(self.head.meta.request_id.clone()));
                Ok(())
            }
        };
        if let Err(error) = decoded {
            self.body = None;
            self.fail(error);
        }
    }

    fn fail(&mut self, error: WireError) {
        match error {
            WireError::Malformed(detail) => {
                self.failed = Some(self.head.failure(FailureKind::Malformed, detail));
            }
            WireError::Said(error) => {
                let said = Said { status: None, body: &error };
                match said.settle(self.family.classify(&said)) {
                    Class::Failed(kind) => self.failed = Some(self.head.said(kind, &said)),
                    Class::Blocked(category) => {
                        let block = Block::in_stream(category, said.detail());
                        self.ready.push_back(Frame::event(StreamEvent::Blocked(block)));
                    }
                }
            }
        }
    }
}
