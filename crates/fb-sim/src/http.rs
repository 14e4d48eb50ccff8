//! The HTTP server: accepts connections and sends the answers.

use std::convert::Infallible;
use std::future::{self, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use ::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use ::http::{Request, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::admin;
use crate::answer::Answer;
use crate::body::SimBody;
use crate::connection::{Connection, Ending, TrackedIo};
use crate::control::SimState;
use crate::counters::{InFlightRequest, RecordedRequest, RequestOutcome};
use crate::fault::Fault;
use crate::inbound::Inbound;
use crate::playback::Playback;

/// Maximum size of a request body: twice the limit of the strictest provider.
const BODY_MAX: usize = 64 << 20;

pub(crate) async fn serve(state: Arc<SimState>) {
    let mut connections = JoinSet::new();
    let mut heal_at = state.heal_at.subscribe();
    loop {
        let deadline = *heal_at.borrow_and_update();
        tokio::select! {
            stream = state.listener.accept() => {
                let shutdown = state.shutdown.subscribe();
                connections.spawn(handle_connection(stream, Arc::clone(&state), shutdown));
            }
            Some(_ended) = connections.join_next() => {}
            Ok(()) = heal_at.changed() => {}
            () = sleep_until_deadline(deadline) => state.heal(),
        }
    }
}

async fn sleep_until_deadline(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => future::pending().await,
    }
}

/// Serves one connection. The caller ignores errors: they concern the client only.
async fn handle_connection(
    stream: TcpStream,
    state: Arc<SimState>,
    shutdown: watch::Receiver<()>,
) -> io::Result<()> {
    // Chunks of a stream must be sent immediately.
    stream.set_nodelay(true)?;
    if let Some(fault) = state.take_accept_fault() {
        let ending = if fault == Fault::ResetOnAccept { Ending::Reset } else { Ending::Close };
        return ending.perform(stream).await;
    }
    match serve_http(stream, state, shutdown).await {
        Some((ending, stream)) => ending.perform(stream).await,
        None => Ok(()),
    }
}

/// Serves HTTP until the client disconnects or a fault takes over the socket.
async fn serve_http(
    stream: TcpStream,
    state: Arc<SimState>,
    mut shutdown: watch::Receiver<()>,
) -> Option<(Ending, TcpStream)> {
    let connection = Arc::new(Connection::default());
    let service = service_fn(|request| respond(request, Arc::clone(&state), Arc::clone(&connection)));
    let mut http = http1::Builder::new()
        .auto_date_header(false)
        .header_read_timeout(None)
        .serve_connection(TrackedIo::new(stream, &connection), service);
    let ending = loop {
        let step = poll_fn(|cx| match Pin::new(&mut http).poll(cx) {
            Poll::Ready(_left) => Poll::Ready(None),
            Poll::Pending => connection.due().map_or(Poll::Pending, |ending| Poll::Ready(Some(ending))),
        });
        tokio::select! {
            ending = step => break ending,
            Ok(()) = shutdown.changed() => Pin::new(&mut http).graceful_shutdown(),
        }
    };
    ending.map(|ending| (ending, http.into_parts().io.into_inner()))
}

async fn respond(
    request: Request<Incoming>,
    state: Arc<SimState>,
    connection: Arc<Connection>,
) -> Result<Response<SimBody>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let Ok(body) = read(body).await else {
        // An incomplete request is not counted. Usually its client has disconnected.
        let answer = state.dialect.failure(400, None, 0);
        return Ok(response(Playback::healthy(answer), None, None, &connection));
    };
    let too_large = body.is_none();
    let body = body.unwrap_or_default();
    if path == "/sim" || path.starts_with("/sim/") {
        let answer = admin::answer(&state, &head.method, &path, &body);
        return Ok(response(Playback::healthy(answer), None, None, &connection));
    }

    let inference = state.dialect.is_inference(&head.method, &path);
    let record = RecordedRequest {
        method: head.method.clone(),
        path: head.uri.to_string(),
        headers: head.headers.clone(),
        body: body.clone(),
        outcome: RequestOutcome::Open,
    };
    let mut in_flight = state.log.record(record, inference);
    if too_large {
        let answer = state.dialect.failure(413, None, in_flight.number());
        return Ok(response(Playback::healthy(answer), None, Some(in_flight), &connection));
    }
    let fault = if connection.closes_on_next() {
        Some(Fault::CloseOnAccept)
    } else {
        state.take_fault(inference, &head.headers, &body)
    };
    if let Some(fault) = &fault {
        end_without_answer(fault, &connection, &mut in_flight).await;
    }

    let request = Inbound {
        method: &head.method,
        path: &path,
        headers: &head.headers,
        body: &body,
        number: in_flight.number(),
    };
    let block = match fault {
        Some(Fault::Block(form)) => Some(form),
        _ => None,
    };
    let answer = state.dialect.answer(request, &state.take_reply(inference), block);
    let added = state.answer_headers(&head.headers);
    let answer = added.into_iter().fold(answer, |answer, (name, value)| answer.with_header(name, value));
    let playback = Playback::new(state.dialect, in_flight.number(), answer, fault.as_ref());
    sleep(playback.latency).await;
    Ok(response(playback, fault.as_ref(), Some(in_flight), &connection))
}

/// Reads the body, and returns `None` if it is too large. An oversized body is read to its end as well, because a client
/// that is still sending would get a reset instead of the error response.
async fn read(mut body: Incoming) -> hyper::Result<Option<Bytes>> {
    let mut whole = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        size += data.len();
        if size <= BODY_MAX {
            whole.extend_from_slice(&data);
        }
    }
    Ok((size <= BODY_MAX).then(|| whole.freeze()))
}

/// Ends the connection if the fault prevents an answer. In that case the future never completes.
async fn end_without_answer(fault: &Fault, connection: &Connection, in_flight: &mut InFlightRequest) {
    let ending = match fault {
        Fault::StallHeaders => future::pending().await,
        Fault::Reset | Fault::ResetOnAccept => Ending::Reset,
        Fault::Refuse | Fault::CloseOnAccept => Ending::Close,
        Fault::Raw(bytes) => Ending::Raw(bytes.clone()),
        _ => return,
    };
    in_flight.settle(RequestOutcome::Faulted);
    connection.end(ending);
    future::pending::<()>().await;
}

fn response(
    playback: Playback,
    fault: Option<&Fault>,
    in_flight: Option<InFlightRequest>,
    connection: &Arc<Connection>,
) -> Response<SimBody> {
    let outcome = if fault.is_some() { RequestOutcome::Faulted } else { RequestOutcome::Completed };
    let (response, playback) = match head(&playback) {
        Ok(response) => (response, playback),
        Err(error) => {
            // Only an invalid header or status in `Fault::Status` leads here. Report it to the author of the fault.
            let playback =
                Playback::healthy(Answer::json(500, format!("fb-sim cannot send this answer: {error}\n")));
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            (response, playback)
        }
    };
    let body = SimBody::new(
        playback.steps,
        playback.length,
        (playback.after, outcome),
        in_flight,
        Arc::clone(connection),
    );
    response.map(|()| body)
}

fn head(playback: &Playback) -> ::http::Result<Response<()>> {
    let mut response = Response::builder().status(playback.status).body(())?;
    for (name, value) in &playback.headers {
        let (name, value) = (HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        response.headers_mut().append(name, value);
    }
    response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(response)
}
