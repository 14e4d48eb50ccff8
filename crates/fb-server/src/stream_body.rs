use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use fb::{ChatStream, Dialect, Error, Raw};
use fb_wire::openai::{self, ChunkPrinter};
use futures_core::Stream;
use http_body::{Body, Frame};

/// A streamed answer as a response body in OpenAI's dialect.
///
/// Frames of that dialect go out as they came, others are printed. After a break one error event goes out, then the
/// connection is cut: a client must never take a broken stream for a complete one.
pub(crate) struct StreamBody {
    stream: ChatStream,
    printer: ChunkPrinter,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Streaming,
    /// The error event was handed out; the connection must send it before it is cut.
    Flushing,
    Cut,
    Ended,
}

impl StreamBody {
    pub(crate) fn new(stream: ChatStream, created: u64, model: &str, usage: bool) -> Self {
        Self { stream, printer: ChunkPrinter::new(created, model, usage), state: State::Streaming }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let Some(frame) = std::task::ready!(Pin::new(&mut self.stream).poll_next(cx)) else {
                self.state = State::Ended;
                return Poll::Ready(None);
            };
            let frame = match frame {
                Ok(frame) => frame,
                // Its frames said it already.
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
                    let mut out = BytesMut::new();
                    self.printer.print(&frame.events, &mut out);
                    if !out.is_empty() {
                        return Poll::Ready(Some(out.freeze()));
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
            State::Streaming => this.next(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
            State::Flushing => {
                this.state = State::Cut;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            State::Cut => {
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
