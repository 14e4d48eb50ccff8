use std::{
    collections::VecDeque,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use fb_core::{Block, Failure, FailureKind, Frame, FrameStream, Reply, StreamEvent, ToolDelta};
use fb_wire::WireError;
use futures_util::{Stream, stream};

use super::{
    decode::StreamDecoder,
    error::{ErrorClass, ErrorResponse},
    head::ResponseHead,
    protocol::Protocol,
};
use crate::http::ResponseBody;

/// Converts a complete reply into a stream of frames.
pub(super) fn from_reply(reply: Reply) -> FrameStream {
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

/// Decodes a streamed body into frames.
pub(super) fn from_body<P: Protocol>(
    body: ResponseBody,
    decoder: P::Decoder,
    head: ResponseHead,
    protocol: Arc<P>,
) -> FrameStream {
    Box::pin(BodyFrames { body: Some(body), decoder, ready: VecDeque::new(), failure: None, head, protocol })
}

struct BodyFrames<P: Protocol> {
    /// `None` once the body has ended. Dropping it closes the connection.
    body: Option<ResponseBody>,
    decoder: P::Decoder,
    ready: VecDeque<Frame>,
    /// The failure that ended the stream, yielded after the frames in `ready`.
    failure: Option<Failure>,
    head: ResponseHead,
    protocol: Arc<P>,
}

impl<P: Protocol> Stream for BodyFrames<P> {
    type Item = Result<Frame, Failure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(frame) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if let Some(failure) = this.failure.take() {
                return Poll::Ready(Some(Err(failure)));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            // `chunk` is cancel safe, so its future can be recreated on every poll.
            let chunk = ready!(pin!(body.chunk()).poll(cx));
            this.handle_chunk(chunk);
        }
    }
}

impl<P: Protocol> BodyFrames<P> {
    /// Handles the next bytes, the end of the body (`None`), or a read failure.
    fn handle_chunk(&mut self, chunk: Result<Option<Bytes>, Failure>) {
        let decoded = match chunk {
            Ok(Some(bytes)) => self.decoder.push(&bytes, &mut self.ready),
            Ok(None) => {
                self.body = None;
                self.decoder.finish(&mut self.ready)
            }
            Err(failure) => {
                self.body = None;
                self.failure = Some(failure.with_request_id(self.head.meta.request_id.clone()));
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
                self.failure = Some(self.head.failure(FailureKind::Malformed, detail));
            }
            WireError::Reported(body) => {
                let error = ErrorResponse { status: None, body: &body };
                match error.correct(self.protocol.classify(&error)) {
                    ErrorClass::Failed(kind, scope) => {
                        self.failure = Some(self.head.reported_failure(kind, scope, &error));
                    }
                    ErrorClass::Blocked(category) => {
                        let block = Block::in_stream(category, error.detail());
                        self.ready.push_back(Frame::event(StreamEvent::Blocked(block)));
                    }
                }
            }
        }
    }
}
