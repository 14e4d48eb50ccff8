//! The server: connections in, answers out.

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
use crate::control::Shared;
use crate::counters::{Outcome, Recorded, Ticket};
use crate::dialect::Inbound;
use crate::fault::{Fault, Play};
use crate::line::{Ending, Line, Wire};

/// Twice what the strictest provider takes.
const BODY_MAX: usize = 64 << 20;

pub(crate) async fn serve(shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut heal_at = shared.heal_at.subscribe();
    loop {
        let deadline = *heal_at.borrow_and_update();
        tokio::select! {
            stream = shared.door.accept() => {
                let leave = shared.leave.subscribe();
                connections.spawn(connection(stream, Arc::clone(&shared), leave));
            }
            Some(_ended) = connections.join_next() => {}
            Ok(()) = heal_at.changed() => {}
            () = at(deadline) => shared.heal(),
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => future::pending().await,
    }
}

/// Serves one connection. Its error is its client's affair.
async fn connection(stream: TcpStream, shared: Arc<Shared>, leave: watch::Receiver<()>) -> io::Result<()> {
    // Pieces of a stream have to leave at once.
    stream.set_nodelay(true)?;
    if let Some(fault) = shared.take_accept_fault() {
        let ending = if fault == Fault::ResetOnAccept { Ending::Reset } else { Ending::Close };
        return ending.perform(stream).await;
    }
    match converse(stream, shared, leave).await {
        Some((ending, stream)) => ending.perform(stream).await,
        None => Ok(()),
    }
}

/// Speaks HTTP until the client leaves, or until a fault wants the bare socket.
async fn converse(
    stream: TcpStream,
    shared: Arc<Shared>,
    mut leave: watch::Receiver<()>,
) -> Option<(Ending, TcpStream)> {
    let line = Arc::new(Line::default());
    let service = service_fn(|request| respond(request, Arc::clone(&shared), Arc::clone(&line)));
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .header_read_timeout(None)
        .serve_connection(Wire::new(stream, &line), service);
    let ending = loop {
        let step = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(_left) => Poll::Ready(None),
            Poll::Pending => line.due().map_or(Poll::Pending, |ending| Poll::Ready(Some(ending))),
        });
        tokio::select! {
            ending = step => break ending,
            Ok(()) = leave.changed() => Pin::new(&mut connection).graceful_shutdown(),
        }
    };
    ending.map(|ending| (ending, connection.into_parts().io.into_inner()))
}

async fn respond(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    line: Arc<Line>,
) -> Result<Response<SimBody>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let Ok(body) = read(body).await else {
        // It has not arrived, so it isn't counted; mostly its client has left.
        let answer = shared.dialect.failure(400, None, 0);
        return Ok(response(Play::well(answer), None, None, &line));
    };
    let too_large = body.is_none();
    let body = body.unwrap_or_default();
    if path == "/sim" || path.starts_with("/sim/") {
        let answer = admin::answer(&shared, &head.method, &path, &body);
        return Ok(response(Play::well(answer), None, None, &line));
    }

    let inference = shared.dialect.is_inference(&head.method, &path);
    let record = Recorded {
        method: head.method.clone(),
        path: head.uri.to_string(),
        headers: head.headers.clone(),
        body: body.clone(),
        outcome: Outcome::Open,
    };
    let mut ticket = shared.log.arrive(record, inference);
    if too_large {
        let answer = shared.dialect.failure(413, None, ticket.number());
        return Ok(response(Play::well(answer), None, Some(ticket), &line));
    }
    let fault = if line.is_doomed() { Some(Fault::CloseOnAccept) } else { shared.take_fault(inference) };
    if let Some(fault) = &fault {
        refuse_answer(fault, &line, &mut ticket).await;
    }

    let request = Inbound {
        method: &head.method,
        path: &path,
        headers: &head.headers,
        body: &body,
        number: ticket.number(),
    };
    let block = match fault {
        Some(Fault::Block(form)) => Some(form),
        _ => None,
    };
    let answer = shared.dialect.answer(request, &shared.current_reply(), block);
    let play = Play::new(shared.dialect, ticket.number(), answer, fault.as_ref());
    sleep(play.latency).await;
    Ok(response(play, fault.as_ref(), Some(ticket), &line))
}

/// The whole body, or nothing if it is too large. Reads that to its end too: a client that is still sending would
/// see a reset instead of its refusal.
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

/// Doesn't return if the fault leaves no answer.
async fn refuse_answer(fault: &Fault, line: &Line, ticket: &mut Ticket) {
    let ending = match fault {
        Fault::StallHeaders => future::pending().await,
        Fault::Reset | Fault::ResetOnAccept => Ending::Reset,
        Fault::Refuse | Fault::CloseOnAccept => Ending::Close,
        Fault::Raw(bytes) => Ending::Raw(bytes.clone()),
        _ => return,
    };
    ticket.settle(Outcome::Faulted);
    line.end(ending);
    future::pending::<()>().await;
}

fn response(
    play: Play,
    fault: Option<&Fault>,
    ticket: Option<Ticket>,
    line: &Arc<Line>,
) -> Response<SimBody> {
    let outcome = if fault.is_some() { Outcome::Faulted } else { Outcome::Completed };
    let (response, play) = match head(&play) {
        Ok(response) => (response, play),
        Err(error) => {
            // Only a header or a status from `Fault::Status` gets here, and its author has to know.
            let play = Play::well(Answer::json(500, format!("fb-sim cannot send this answer: {error}\n")));
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            (response, play)
        }
    };
    let body = SimBody::new(play.steps, play.length, (play.after, outcome), ticket, Arc::clone(line));
    response.map(|()| body)
}

fn head(play: &Play) -> ::http::Result<Response<()>> {
    let mut response = Response::builder().status(play.status).body(())?;
    for (name, value) in &play.headers {
        let (name, value) = (HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        response.headers_mut().append(name, value);
    }
    response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(response)
}
