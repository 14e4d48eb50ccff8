//! The body of an answer: a list of steps, executed as the connection polls for more data.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::connection::{Connection, Ending};
use crate::counters::{InFlightRequest, RequestOutcome};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Bytes),
    /// Sends one byte at a time, with this pause before each.
    Drip(Bytes, Duration),
    Wait(Duration),
    Stall,
    Cut(Ending),
}

/// The action on the connection after the complete body was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    KeepAlive,
    Close,
    CloseOnNext,
}

#[derive(Debug)]
pub(crate) struct SimBody {
    steps: VecDeque<Step>,
    /// The declared content length; `None` selects chunked encoding.
    length: Option<u64>,
    after: After,
    outcome: RequestOutcome,
    /// `None` for responses of the control endpoints, which are not counted.
    request: Option<InFlightRequest>,
    connection: Arc<Connection>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl SimBody {
    pub(crate) fn new(
        steps: Vec<Step>,
        length: Option<u64>,
        (after, outcome): (After, RequestOutcome),
        request: Option<InFlightRequest>,
        connection: Arc<Connection>,
    ) -> Self {
        let mut body = Self { steps: steps.into(), length, after, outcome, request, connection, sleep: None };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    fn finish(&mut self) {
        self.settle(self.outcome);
        match self.after {
            After::KeepAlive => {}
            After::Close => self.connection.end(Ending::Close),
            After::CloseOnNext => self.connection.close_on_next(),
        }
    }

    fn settle(&mut self, outcome: RequestOutcome) {
        if let Some(request) = &mut self.request {
            request.settle(outcome);
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>, pause: Duration) -> Poll<()> {
        if pause.is_zero() {
            return Poll::Ready(());
        }
        let sleeping = self.sleep.get_or_insert_with(|| Box::pin(sleep(pause)));
        ready!(sleeping.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }

    fn send(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // hyper does not poll a body of known length after its last byte.
        if self.is_end_stream() {
            self.finish();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        loop {
            match body.steps.pop_front() {
                None => {
                    body.finish();
                    return Poll::Ready(None);
                }
                Some(Step::Send(bytes)) => return body.send(bytes),
                Some(Step::Drip(mut bytes, every)) => {
                    if bytes.is_empty() {
                        continue;
                    }
                    if body.poll_pause(cx, every).is_pending() {
                        body.steps.push_front(Step::Drip(bytes, every));
                        return Poll::Pending;
                    }
                    let first = bytes.split_to(1);
                    if !bytes.is_empty() {
                        body.steps.push_front(Step::Drip(bytes, every));
                    }
                    return body.send(first);
                }
                Some(Step::Wait(pause)) => {
                    if body.poll_pause(cx, pause).is_pending() {
                        body.steps.push_front(Step::Wait(pause));
                        return Poll::Pending;
                    }
                }
                Some(Step::Stall) => {
                    body.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::Cut(ending)) => {
                    body.settle(RequestOutcome::Faulted);
                    body.connection.end(ending);
                    body.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length.is_some() && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
