use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use fb::{Client, Config};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    AdminConfig, ServerConfig, admin::Admin, auth::Tenants, request_body::Bodies, service::Service,
    state::State, telemetry::Scrape, write_timeout::WriteTimeout,
};

/// Operators are few, and their requests are small.
const ADMIN_CONNECTIONS: usize = 64;
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    addr: SocketAddr,
    service: Service,
    connections: Arc<Semaphore>,
    head_timeout: Duration,
    write_timeout: Duration,
    drain: Duration,
}

/// Binds the listener; connections are taken once [`Gateway::run_until`] runs.
///
/// # Errors
/// When the address cannot be bound, or the key of a tenant cannot be read.
///
/// # Cancel safety
/// Dropping the future binds nothing.
pub async fn start(config: &ServerConfig, fb: &Config, client: Client) -> io::Result<Gateway> {
    let listener = TcpListener::bind(config.listen).await?;
    let addr = listener.local_addr()?;
    let tenants = Tenants::of(fb).map_err(|error| io::Error::other(error.to_string()))?;
    let service = Service::new(State { client, tenants, bodies: Bodies::new(config) });
    Ok(Gateway {
        listener,
        addr,
        service,
        connections: Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS))),
        head_timeout: config.head_timeout,
        write_timeout: config.write_timeout,
        drain: config.drain,
    })
}

/// Binds the operators' listener.
///
/// # Errors
/// When the address cannot be bound, or the token cannot be read.
///
/// # Cancel safety
/// Dropping the future binds nothing.
pub async fn start_admin(config: &AdminConfig, client: Client, scrape: Scrape) -> io::Result<Gateway> {
    let token = config.token.as_ref().map(|token| token.resolve("admin.token")).transpose();
    let token = token.map_err(|error| io::Error::other(error.to_string()))?;
    let listener = TcpListener::bind(config.listen).await?;
    let addr = listener.local_addr()?;
    Ok(Gateway {
        listener,
        addr,
        service: Service::admin(Admin { client, scrape, token }),
        connections: Arc::new(Semaphore::new(ADMIN_CONNECTIONS)),
        head_timeout: ADMIN_TIMEOUT,
        write_timeout: ADMIN_TIMEOUT,
        drain: ADMIN_TIMEOUT,
    })
}

impl Gateway {
    /// Where it listens; with port 0 in the config, the port the system chose.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `stop` completes, then takes no more connections and gives those in flight the time the config
    /// allows.
    ///
    /// # Cancel safety
    /// Dropping the future closes every connection at once.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head_timeout);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                accepted = accept(&self.listener, &self.connections) => accepted,
            };
            let Some((socket, slot)) = accepted else { continue };
            let service = self.service.clone();
            let service = service_fn(move |request| service.clone().answer(request));
            let socket = TokioIo::new(WriteTimeout::new(socket, self.write_timeout));
            let connection = graceful.watch(http.serve_connection(socket, service));
            tasks.spawn(async move {
                // A connection that breaks is its client's affair; the request's own trace tells the rest.
                drop(connection.await);
                drop(slot);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(self.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(open = tasks.len(), "drain time is over, closing what is still open");
        }
        tasks.shutdown().await;
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => {
            // Small chunks of a stream must not wait for each other; a socket without the option still works.
            let _kept_as_is = socket.set_nodelay(true);
            Some((socket, slot))
        }
        Err(error) => {
            // Out of file descriptors: trying again at once would only spin.
            tracing::warn!(%error, "cannot accept");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
