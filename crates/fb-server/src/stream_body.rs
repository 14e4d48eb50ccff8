use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use fb::{ChatStream, Dialect, Error, Raw};
use fb_wire::openai::{self, ChunkPrinter};
use futures_core::Stream;
use http_body::{Body, Frame};

/// A streamed answer as a response body in OpenAI's dialect.
///
/// Frames that arrive in that dialect are forwarded unchanged, others are printed. If the stream fails, one error event
/// is sent and the connection is closed, so that a client cannot take a partial answer for a complete one.
pub(crate) struct StreamBody {
    stream: ChatStream,
    printer: ChunkPrinter,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Streaming,
    /// The error event was returned; the connection has to send it before it is closed.
    Flushing,
    Failed,
    Ended,
}

impl StreamBody {
    pub(crate) fn new(stream: ChatStream, created: u64, model: &str, usage: bool) -> Self {
        Self { stream, printer: ChunkPrinter::new(created, model, usage), state: State::Streaming }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.stream).poll_next(cx)) else {
                self.state = State::Ended;
                return Poll::Ready(None);
            };
            let frame = match frame {
                Ok(frame) => frame,
                // The frames before this one already contain the block.
                Err(Error::Blocked(_)) => {
                    self.state = State::Ended;
                    return Poll::Ready(None);
                }
                Err(error) => {
                    self.state = State::Flushing;
                    let event =
                        openai::error_event(&error.to_string(), "upstream_error", None, Some(error.code()));
                    return Poll::Ready(Some(event));
                }
            };
            match frame.raw {
                Some(Raw { dialect: Dialect::OpenAi, bytes }) if !bytes.is_empty() => {
                    return Poll::Ready(Some(bytes));
                }
                _ => {
                    let mut chunk = BytesMut::new();
                    self.printer.print(&frame.events, &mut chunk);
                    if !chunk.is_empty() {
                        return Poll::Ready(Some(chunk.freeze()));
                    }
                }
            }
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        match this.state {
            State::Streaming => this.poll_chunk(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes)))),
            State::Flushing => {
                this.state = State::Failed;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            State::Failed => {
                this.state = State::Ended;
                Poll::Ready(Some(Err(io::Error::other("the upstream stream broke off"))))
            }
            State::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended
    }
}
