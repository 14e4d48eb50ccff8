//! Listeners: sockets, connection limits, timeouts and draining.

use std::{
    convert::Infallible, error::Error, future::Future, io, net::SocketAddr, sync::Arc, time::Duration,
};

use fb::{Client, Config, ErrorCode, InvalidConfig, RequestError};
use http::{HeaderValue, Request, StatusCode, header::CONNECTION};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use crate::{
    admin::{self, AdminService},
    body::{Body, Response},
    config::{AdminConfig, ServerConfig},
    connection::{InFlight, ReadTimeout, SlowHead},
    error::Rejection,
    rejected::{Peer, Reporter, RequestLine},
    service::{self, Service},
    shutdown::Shutdown,
    telemetry::Scrape,
    write_timeout::WriteTimeout,
};

/// Limits of the admin listener, which has few clients with small requests.
const ADMIN_CONNECTIONS: usize = 64;
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Prometheus scrapes every 15 s or more seldom, and an idle connection holds one of few.
const ADMIN_KEEP_ALIVE: Duration = Duration::from_secs(15);
const ADMIN_MAX_HEAD: usize = 64 << 10;
/// The longest time for the admin listener to end after that of the gateway.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);
/// The bounds of the time to send the error events of the streams that are ended, a tenth of the drain time.
const LAST_EVENTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// Pause after a failed `accept`: without file descriptors left, an immediate retry would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener and the service that it serves.
#[derive(Debug)]
pub struct Server<S = Service> {
    listener: TcpListener,
    addr: SocketAddr,
    service: S,
    connections: Arc<Semaphore>,
    limits: Limits,
    drain: Drain,
    shutdown: Shutdown,
    reporter: Reporter,
}

/// The time to end, from the beginning of the shutdown.
#[derive(Debug, Clone, Copy)]
struct Drain {
    /// The whole time.
    total: Duration,
    /// The longest time for requests in flight once no more are accepted.
    requests: Duration,
}

impl Drain {
    /// Returns the time that requests in flight still have after `elapsed`, and the time to send the last events after that.
    fn left(self, elapsed: Duration) -> [Duration; 2] {
        let [least, most] = LAST_EVENTS;
        let left = self.total.saturating_sub(elapsed);
        let events = (self.total / 10).min(left).clamp(least, most);
        [left.saturating_sub(events).min(self.requests), events]
    }
}

/// The limits on every connection.
#[derive(Debug, Clone, Copy)]
struct Limits {
    max_head: usize,
    head_timeout: Duration,
    keep_alive: Duration,
    write_timeout: Duration,
    /// Closes a connection after a response with status 401.
    closes_unauthorized: bool,
}

/// Binds the gateway's listener. No connection is accepted before [`Server::run_until`].
///
/// # Errors
///
/// Returns an error if the address cannot be bound or the API key of a tenant cannot be read.
///
/// # Cancel safety
///
/// Dropping the future closes the socket.
pub async fn start(server: &ServerConfig, config: &Config, client: Client) -> io::Result<Server> {
    let listener = TcpListener::bind(server.listen).await?;
    let addr = listener.local_addr()?;
    let reporter = Reporter::new(client.clone(), service::LISTENER);
    let service = Service::new(client, server, config).map_err(|error| config_error(&error))?;
    let service = service.on(addr.ip(), server);
    let shutdown = service.shutdown();
    Ok(Server {
        listener,
        addr,
        service,
        connections: Arc::new(Semaphore::new(server.max_connections.min(Semaphore::MAX_PERMITS))),
        limits: Limits {
            max_head: server.max_head,
            head_timeout: server.head_timeout,
            keep_alive: server.keep_alive,
            write_timeout: server.write_timeout,
            closes_unauthorized: false,
        },
        drain: Drain { total: server.drain, requests: server.drain },
        shutdown,
        reporter,
    })
}

/// Binds the admin listener. No connection is accepted before [`Server::run_until`].
///
/// # Errors
///
/// Returns an error if the address cannot be bound or the admin token cannot be read.
///
/// # Cancel safety
///
/// Dropping the future closes the socket.
pub async fn start_admin(
    admin: &AdminConfig,
    client: Client,
    scrape: Scrape,
) -> io::Result<Server<AdminService>> {
    let reporter = Reporter::new(client.clone(), admin::LISTENER);
    let service = AdminService::new(client, scrape, admin).map_err(|error| config_error(&error))?;
    let listener = TcpListener::bind(admin.listen).await?;
    let addr = listener.local_addr()?;
    let service = service.on(addr.ip(), admin);
    Ok(Server {
        listener,
        addr,
        service,
        connections: Arc::new(Semaphore::new(ADMIN_CONNECTIONS)),
        limits: Limits {
            max_head: ADMIN_MAX_HEAD,
            head_timeout: ADMIN_TIMEOUT,
            keep_alive: ADMIN_KEEP_ALIVE,
            write_timeout: ADMIN_TIMEOUT,
            closes_unauthorized: true,
        },
        drain: Drain { total: ADMIN_TIMEOUT, requests: ADMIN_DRAIN },
        shutdown: Shutdown::new(),
        reporter,
    })
}

impl Server {
    /// Returns the details of `/readyz` to operators: see [`Service::with_operators`].
    ///
    /// # Errors
    ///
    /// Returns an error if the admin token cannot be read.
    pub fn with_operators(self, admin: &AdminConfig) -> io::Result<Self> {
        let service = self.service.with_operators(admin).map_err(|error| config_error(&error))?;
        Ok(Self { service, ..self })
    }

    /// Serves the operators' endpoints too: see [`Service::with_operator_routes`].
    ///
    /// # Errors
    ///
    /// Returns an error if the admin token cannot be read.
    pub fn with_operator_routes(self, admin: &AdminConfig) -> io::Result<Self> {
        let service = self.service.with_operator_routes(admin).map_err(|error| config_error(&error))?;
        Ok(Self { service, ..self })
    }
}

impl Server<AdminService> {
    /// Ends with a gateway: once this server stops, its requests in flight have a second, within the drain time of the gateway.
    #[must_use]
    pub fn ending_with(self, gateway: &Server) -> Self {
        let drain = Drain { total: gateway.drain.total, ..self.drain };
        Self { drain, shutdown: gateway.shutdown(), ..self }
    }
}

fn config_error(error: &InvalidConfig) -> io::Error {
    io::Error::other(error.to_string())
}

impl<S> Server<S> {
    /// The local address. If the configured port is 0, this is the port chosen by the system.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns a handle with which `/readyz` is set to 503 before the server stops.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }
}

impl<S> Server<S>
where
    S: tower_service::Service<Request<Incoming>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    /// Serves connections until `stop` completes, then accepts no more and drains: requests in flight may finish within
    /// the configured time, which counts from [`Shutdown::begin`] if that was called before. What is in flight at the end of
    /// it ends with an error: 503, or an event of a stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes every connection at once.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        let mut http = http1::Builder::new();
        // The time of a head is limited by the socket, as hyper's limit includes the time without a request.
        // hyper reads up to twice this size before it refuses a head by itself.
        http.max_buf_size(self.limits.max_head).header_read_timeout(None);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = accept(&self.listener, &self.connections) => accepted,
            };
            let Some((socket, peer, slot)) = accepted else { continue };
            let (service, in_flight) = (self.service.clone(), InFlight::default());
            let (reporter, of_requests) = (self.reporter.clone(), self.reporter.clone());
            let Limits { max_head, head_timeout, keep_alive, write_timeout, closes_unauthorized } =
                self.limits;
            let socket = WriteTimeout::new(socket, write_timeout);
            let socket = TokioIo::new(ReadTimeout::new(socket, in_flight.clone(), head_timeout, keep_alive));
            // Both services are always ready.
            let service = service_fn(move |mut request: Request<Incoming>| {
                let guard = in_flight.begin();
                request.extensions_mut().insert(Peer(peer));
                let called = if head_size(&request) <= max_head {
                    Ok(service.clone().call(request))
                } else {
                    let response = head_too_large(max_head);
                    of_requests.report(&RequestLine::of(&request), &response);
                    Err(response)
                };
                async move {
                    let mut response = match called {
                        Ok(response) => response.await?,
                        Err(refused) => refused,
                    };
                    if closes_unauthorized && response.status() == StatusCode::UNAUTHORIZED {
                        close_after(&mut response);
                    }
                    Ok::<_, Infallible>(response.map(|body| body.with_guard(guard)))
                }
            });
            let connection = graceful.watch(http.serve_connection(socket, service));
            tasks.spawn(async move {
                // The trace of a request contains the rest.
                if let Err(error) = connection.await
                    && let Some(error) = bad_head(&error)
                {
                    reporter.report_connection(peer, error);
                }
                drop(slot);
            });
        }
        drop(self.listener);
        self.shutdown.begin();
        let [left, last_events] = self.drain.left(self.shutdown.elapsed());
        let drained = graceful.shutdown();
        tokio::pin!(drained);
        if tokio::time::timeout(left, &mut drained).await.is_err() {
            tracing::warn!(open = tasks.len(), "drain time is over, ending the requests in flight");
            self.shutdown.end();
            let _still_open = tokio::time::timeout(last_events, drained).await;
        }
        tasks.shutdown().await;
    }
}

/// Returns the size of a request's head, without the line ends.
fn head_size<B>(request: &Request<B>) -> usize {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": ".len());
    request.method().as_str().len() + uri + headers.sum::<usize>()
}

fn head_too_large(most: usize) -> Response {
    let message = format!("the head of the request is larger than {most} bytes");
    let mut response = Rejection::new(ErrorCode::HeadTooLarge, message).into_response();
    close_after(&mut response);
    response
}

/// Returns the error of a connection that ended because the head of a request was malformed or took too long.
fn bad_head(error: &hyper::Error) -> Option<RequestError> {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let cause = cause.and_then(io::Error::get_ref);
    if cause.and_then(|cause| cause.downcast_ref::<SlowHead>()).is_some() {
        return Some(RequestError::new(408, "request_timeout"));
    }
    error.is_parse().then_some(RequestError::new(400, "malformed_head"))
}

/// Closes the connection after a response.
fn close_after(response: &mut Response) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Accepts the next connection once one of the connection slots is free.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, peer)) => {
            // Small chunks of a stream must not wait for each other. A socket without the option still works.
            let _unsupported = socket.set_nodelay(true);
            Some((socket, peer, slot))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_events_and_the_admin_listener_are_within_the_drain_time() {
        let millis = Duration::from_millis;
        let left = |total, requests, elapsed| {
            let drain = Drain { total: millis(total), requests: millis(requests) };
            drain.left(millis(elapsed)).map(|time| time.as_millis())
        };
        assert_eq!(left(28_000, 28_000, 5_000), [22_000, 1_000]);
        assert_eq!(left(28_000, 1_000, 5_000), [1_000, 1_000], "the admin listener after an idle gateway");
        assert_eq!(left(28_000, 1_000, 27_500), [0, 500], "and after a busy one");
        assert_eq!(left(2_000, 2_000, 0), [1_800, 200]);
        assert_eq!(left(0, 0, 0), [0, 100]);
    }
}
