//! Behaviours 54: a rejection does not reach the inner service; 55: a dropped call frees its slot; 42 and 43: 429 raises
//! the failure rate and fails a probe, but does not count towards the streak.

use std::{
    future::{Future, pending, ready},
    pin::{Pin, pin},
    sync::Arc,
    task::Waker,
};

use bytes::Bytes;
use futures_util::stream::iter;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use parking_lot::Mutex;

use crate::{
    BreakerConfig, HalfOpenConfig, RejectReason, State,
    virtual_time::{self, at},
};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("it failed")]
struct Failed;

type Head = Response<UnsyncBoxBody<Bytes, Failed>>;
type Answer = Result<Head, Failed>;

/// Answers every request with its own body, or never. Ready if `willing`.
#[derive(Debug, Default)]
struct Inner {
    ready: bool,
    willing: bool,
    calls: Arc<Mutex<u32>>,
}

/// As with many services, readiness is not cloned.
impl Clone for Inner {
    fn clone(&self) -> Self {
        Self { ready: false, willing: self.willing, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<Option<Answer>>> for Inner {
    type Response = Head;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Answer>>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.ready = self.willing;
        if self.willing { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, request: Request<Option<Answer>>) -> Self::Future {
        assert!(self.ready, "the readied instance is the one to call");
        *self.calls.lock() += 1;
        match request.into_body() {
            Some(answer) => Box::pin(ready(answer)),
            None => Box::pin(pending()),
        }
    }
}

type Layered = BreakerService<Inner, fn(StatusCode, &HeaderMap) -> Option<Weight>>;

/// Returns a half-open breaker with one probe, which one success closes and one failure opens.
fn half_open() -> (Breaker, Layered) {
    let half_open = HalfOpenConfig { permits: 1, successes: 1, ..HalfOpenConfig::default() };
    let config = BreakerConfig { consecutive: Some(1), half_open, ..BreakerConfig::default() };
    let breaker = Breaker::new(config, virtual_time::now).unwrap();
    breaker.try_acquire(at(0)).unwrap().failure(Weight::FULL, at(0));
    virtual_time::set(5_000);
    drop(breaker.try_acquire(at(5_000)).unwrap());
    let layer = BreakerLayer::new(breaker.clone(), by_status as fn(StatusCode, &HeaderMap) -> Option<Weight>);
    (breaker, layer.layer(Inner { willing: true, ..Inner::default() }))
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn readied(service: &mut Layered) -> &mut Layered {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert_eq!(ready, Poll::Ready(Ok(())));
    service
}

fn answered(
    service: &mut Layered,
    answer: Answer,
) -> Result<Response<impl Body<Error = Failed> + Unpin + use<>>, CallError<Failed>> {
    match poll(pin!(readied(service).call(Request::new(Some(answer))))) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("expected an answer"),
    }
}

fn plain(status: u16, text: &'static str) -> Head {
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {});
    Response::builder().status(status).body(body.boxed_unsync()).unwrap()
}

/// Returns a response with a body of data, trailers and errors.
fn streamed(frames: &'static [&'static str]) -> Head {
    let frames = frames.iter().map(|frame| match *frame {
        "data" => Ok(Frame::data(Bytes::from_static(b"text"))),
        "trailers" => Ok(Frame::trailers(HeaderMap::new())),
        _ => Err(Failed),
    });
    Response::new(StreamBody::new(iter(frames)).boxed_unsync())
}

/// Polls for one frame.
fn next(body: &mut (impl Body<Error = Failed> + Unpin)) -> Option<Result<(), Failed>> {
    match poll(pin!(body.frame())) {
        Poll::Ready(frame) => frame.map(|frame| frame.map(drop)),
        Poll::Pending => panic!("expected a frame"),
    }
}

fn is_open(breaker: &Breaker) -> bool {
    matches!(breaker.state(at(5_000)), State::Open { .. })
}

#[test]
fn poll_ready_forwards_and_takes_no_permit() {
    let (breaker, service) = half_open();
    let mut many = [service.clone(), service.clone(), service];
    many[0].inner.willing = false;
    let polled = many.each_mut().map(|one| one.poll_ready(&mut Context::from_waker(Waker::noop())));
    assert_eq!(polled, [Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Ok(()))]);
    assert_eq!((breaker.outstanding(), breaker.peek(at(5_000))), (0, Ok(())));
}

#[test]
fn rejected_call_does_not_reach_the_inner_service() {
    let (breaker, mut service) = half_open();
    let first = readied(&mut service).call(Request::new(None));
    assert_eq!(breaker.outstanding(), 1);
    let second = answered(&mut service, Ok(plain(200, ""))).map(drop).unwrap_err();
    let CallError::Rejected(rejected) = second else { panic!("{second}") };
    assert_eq!(rejected.reason, RejectReason::HalfOpenFull);
    assert_eq!((*service.inner.calls.lock(), breaker.outstanding()), (1, 1));
    drop(first);
}

#[test]
fn call_dropped_before_its_head_frees_its_slot() {
    let (breaker, mut service) = half_open();
    let mut call = Box::pin(readied(&mut service).call(Request::new(None)));
    assert!(poll(call.as_mut()).is_pending());
    drop(call);
    assert_eq!((breaker.state(at(5_000)), breaker.outstanding()), (State::HalfOpen, 0));
}

#[test]
fn failed_head_and_service_error_are_failures() {
    for answer in [Ok(plain(500, "sorry")), Ok(plain(529, "")), Ok(plain(429, "slowly")), Err(Failed)] {
        let (breaker, mut service) = half_open();
        let _response = answered(&mut service, answer);
        assert_eq!((is_open(&breaker), breaker.outstanding()), (true, 0));
    }
}

#[test]
fn good_head_without_a_body_is_a_success() {
    let (breaker, mut service) = half_open();
    let response = answered(&mut service, Ok(plain(404, ""))).unwrap();
    assert_eq!((breaker.state(at(5_000)), response.status()), (State::Closed, StatusCode::NOT_FOUND));
}

#[test]
fn first_data_settles_provisionally() {
    let (breaker, mut service) = half_open();
    let mut body = answered(&mut service, Ok(streamed(&["data", "data"]))).unwrap().into_body();
    assert_eq!((breaker.state(at(5_000)), breaker.outstanding()), (State::HalfOpen, 1));
    assert_eq!(next(&mut body), Some(Ok(())));
    assert_eq!((breaker.state(at(5_000)), breaker.outstanding()), (State::Closed, 0));
    assert_eq!([next(&mut body), next(&mut body)], [Some(Ok(())), None]);
    drop(body);
    assert_eq!((breaker.state(at(5_000)), breaker.late_verdicts()), (State::Closed, 0));
}

#[test]
fn body_without_data_is_a_success() {
    let (breaker, mut service) = half_open();
    let mut body = answered(&mut service, Ok(streamed(&["trailers"]))).unwrap().into_body();
    assert_eq!(next(&mut body), Some(Ok(())));
    assert_eq!(breaker.state(at(5_000)), State::HalfOpen);
    assert_eq!(next(&mut body), None);
    assert_eq!(breaker.state(at(5_000)), State::Closed);
}

/// A body of trailers only that reports its end.
#[derive(Default)]
struct Trailers {
    given: bool,
}

impl Body for Trailers {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        self.given = true;
        Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new()))))
    }

    fn is_end_stream(&self) -> bool {
        self.given
    }
}

#[test]
fn body_with_end_stream_settles_without_another_poll() {
    let (breaker, mut service) = half_open();
    let answer = Response::new(Trailers::default().boxed_unsync());
    let mut body = answered(&mut service, Ok(answer)).unwrap().into_body();
    assert_eq!(breaker.state(at(5_000)), State::HalfOpen);
    assert_eq!(next(&mut body), Some(Ok(())));
    assert_eq!((breaker.state(at(5_000)), breaker.outstanding()), (State::Closed, 0));
}

#[test]
fn body_error_is_a_failure_before_and_after_first_data() {
    let (breaker, mut service) = half_open();
    let mut body = answered(&mut service, Ok(streamed(&["error"]))).unwrap().into_body();
    assert_eq!(next(&mut body), Some(Err(Failed)));
    assert!(is_open(&breaker));

    let (breaker, mut service) = half_open();
    let mut body = answered(&mut service, Ok(streamed(&["data", "error"]))).unwrap().into_body();
    assert_eq!(next(&mut body), Some(Ok(())));
    assert_eq!(breaker.state(at(5_000)), State::Closed);
    assert_eq!(next(&mut body), Some(Err(Failed)));
    assert!(is_open(&breaker));
}

#[test]
fn dropped_body_is_a_success_only_after_first_data() {
    let (breaker, mut service) = half_open();
    drop(answered(&mut service, Ok(streamed(&["data"]))).unwrap());
    assert_eq!((breaker.state(at(5_000)), breaker.outstanding()), (State::HalfOpen, 0));

    let mut body = answered(&mut service, Ok(streamed(&["data", "data"]))).unwrap().into_body();
    assert_eq!(next(&mut body), Some(Ok(())));
    drop(body);
    assert_eq!((breaker.state(at(5_000)), breaker.outstanding()), (State::Closed, 0));
}

#[test]
fn body_keeps_its_size_hint() {
    let (_, mut service) = half_open();
    let body = answered(&mut service, Ok(plain(200, "four"))).unwrap().into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
}

#[test]
fn status_is_classified() {
    let throttled = Weight { window: 25, streak: false, probe: true, retry_after: None };
    let expected = [
        (200, None),
        (302, None),
        (404, None),
        (429, Some(throttled)),
        (500, Some(Weight::FULL)),
        (529, Some(Weight::FULL)),
    ];
    for (status, weight) in expected {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(by_status(status, &HeaderMap::new()), weight, "{status}");
    }
}
