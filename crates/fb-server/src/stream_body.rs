use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use fb::{ChatStream, Error, Raw};
use futures_core::Stream;
use http_body::{Body, Frame};
use tokio::task::coop::has_budget_remaining;

use crate::{
    door::{Door, ErrorKind, EventPrinter, PrintedError},
    heartbeat::Heartbeat,
    report_headers::{Exposed, report_comments},
    shutdown::{ENDED, Shutdown},
};

/// A streamed answer as a response body in the dialect of a door.
///
/// Frames that arrive in that dialect are forwarded unchanged, others are printed. If the stream fails, one error event
/// is sent and the connection is closed, so that a client cannot take a partial answer for a complete one. In times of
/// silence events without content are sent.
pub(crate) struct StreamBody {
    source: Source,
    door: &'static dyn Door,
    printer: Box<dyn EventPrinter>,
    state: State,
    heartbeat: Option<Heartbeat>,
    exposed: Exposed,
    shutdown: Shutdown,
    /// Completes when the server ends.
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The waker that `ended` and the heartbeat have.
    waker: Option<Waker>,
}

/// The settings of a streamed answer.
pub(crate) struct Settings {
    pub(crate) door: &'static dyn Door,
    pub(crate) printer: Box<dyn EventPrinter>,
    /// The longest silence; `None` for no limit.
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) exposed: Exposed,
    pub(crate) shutdown: Shutdown,
}

/// The origin of the events.
enum Source {
    /// The head of the response was sent before a target answered.
    Opening(Opening),
    Open(Box<ChatStream>),
}

/// A stream that will be opened.
pub(crate) type Opening = Pin<Box<dyn Future<Output = Result<ChatStream, Unopened>> + Send>>;

/// The whole body of a stream that was not opened.
pub(crate) enum Unopened {
    /// A complete answer.
    Complete(Bytes),
    /// An error event, after which the connection is closed.
    Failed(Bytes),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was returned yet, and a heartbeat is due at once.
    Beginning,
    Streaming,
    /// The error event was returned; the connection has to send it before it is closed.
    Flushing,
    Failed,
    Ended,
}

impl StreamBody {
    pub(crate) fn new(stream: ChatStream, settings: Settings) -> Self {
        Self::from_source(Source::Open(Box::new(stream)), settings)
    }

    /// Creates the body of a stream that is not open yet. It begins with a heartbeat.
    pub(crate) fn opening(opening: Opening, settings: Settings) -> Self {
        let source = Source::Opening(opening);
        Self { state: State::Beginning, ..Self::from_source(source, settings) }
    }

    fn from_source(source: Source, settings: Settings) -> Self {
        let Settings { door, printer, heartbeat, exposed, shutdown } = settings;
        let ending = shutdown.clone();
        let ended = Box::pin(async move { ending.ended().await });
        let heartbeat = heartbeat.map(Heartbeat::new);
        let state = State::Streaming;
        Self { source, door, printer, state, heartbeat, exposed, shutdown, ended, waker: None }
    }

    /// Returns the next output, or a heartbeat if there was none for a while.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let chunk = self.poll_chunk(cx);
        if chunk.is_ready() {
            self.heartbeat.iter_mut().for_each(Heartbeat::record_output);
            return chunk;
        }
        // Both keep a waker until they fire: they are polled with another one only, not for every chunk.
        let is_registered = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if (!is_registered || self.shutdown.is_over()) && self.ended.as_mut().poll(cx).is_ready() {
            self.state = State::Flushing;
            return Poll::Ready(Some(self.door.error_event(&PrintedError::ended(ENDED))));
        }
        let silence = match &mut self.heartbeat {
            Some(heartbeat) => heartbeat.poll_due(cx, is_registered),
            None => Poll::Pending,
        };
        // A timer that fired has no waker. A task without budget has polled nothing, and will be polled again.
        if silence.is_ready() || !has_budget_remaining() {
            self.waker = None;
        } else if !is_registered {
            self.waker = Some(cx.waker().clone());
        }
        silence.map(|()| Some(self.door.heartbeat()))
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let stream = match &mut self.source {
            Source::Open(stream) => stream,
            Source::Opening(opening) => {
                let (state, bytes) = match ready!(opening.as_mut().poll(cx)) {
                    Ok(stream) => {
                        let comments = report_comments(&stream.report(), &stream.meta().notes, self.exposed);
                        self.source = Source::Open(Box::new(stream));
                        (State::Streaming, comments)
                    }
                    Err(Unopened::Complete(bytes)) => (State::Ended, bytes),
                    Err(Unopened::Failed(bytes)) => (State::Flushing, bytes),
                };
                self.state = state;
                return Poll::Ready(Some(bytes));
            }
        };
        loop {
            let Some(frame) = ready!(Pin::new(&mut *stream).poll_next(cx)) else {
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
                    let message = error.to_string();
                    let printed = PrintedError {
                        kind: ErrorKind::Broken,
                        code: error.code(),
                        ..PrintedError::new(error.http(), &message, None)
                    };
                    return Poll::Ready(Some(self.door.error_event(&printed)));
                }
            };
            match frame.raw {
                Some(Raw { dialect, bytes }) if dialect == self.door.dialect() && !bytes.is_empty() => {
                    self.printer.forward(&bytes);
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
            State::Beginning => {
                this.state = State::Streaming;
                Poll::Ready(Some(Ok(Frame::data(this.door.heartbeat()))))
            }
            State::Streaming => this.poll_output(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes)))),
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
