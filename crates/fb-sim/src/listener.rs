//! The listening socket, which can be closed and reopened on the same port.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime;
use tokio::time::sleep;

/// Maximum number of connections that the kernel queues.
const BACKLOG: u32 = 1024;

/// Pause after a failed accept or reopen. Both fail for lack of a resource (descriptors, the port) that other processes
/// release.
const RETRY: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Listener {
    addr: SocketAddr,
    /// The runtime that registers the socket, because a handle may be used from a thread without a runtime.
    runtime: runtime::Handle,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    socket: Socket,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Socket {
    Listening(TcpListener),
    /// Bound but not listening: connections are refused, and no other process can take the port.
    Closed(Option<TcpSocket>),
    /// Reopening failed because another process holds the port.
    PortTaken,
    /// The simulator was dropped.
    Removed,
}

impl Listener {
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        let listener = bind_socket(addr)?.listen(BACKLOG)?;
        Ok(Self {
            addr: listener.local_addr()?,
            runtime: runtime::Handle::current(),
            state: Mutex::new(State { socket: Socket::Listening(listener), waker: None }),
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        if matches!(state.socket, Socket::Listening(_) | Socket::PortTaken) {
            // Drop the old socket first: two sockets can share a port only while neither listens.
            drop(mem::replace(&mut state.socket, Socket::Closed(None)));
            state.socket = Socket::Closed(bind_socket(self.addr).ok());
        }
    }

    pub(crate) fn reopen(&self) {
        let mut state = self.state.lock();
        let socket = match mem::replace(&mut state.socket, Socket::PortTaken) {
            Socket::Closed(Some(socket)) => Ok(socket),
            Socket::Closed(None) | Socket::PortTaken => bind_socket(self.addr),
            other @ (Socket::Listening(_) | Socket::Removed) => {
                state.socket = other;
                return;
            }
        };
        let _reactor = self.runtime.enter();
        if let Ok(listener) = socket.and_then(|socket| socket.listen(BACKLOG)) {
            state.socket = Socket::Listening(listener);
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn remove(&self) {
        self.state.lock().socket = Socket::Removed;
    }

    /// Accepts the next connection. Waits while the listener is closed.
    ///
    /// # Cancel safety
    /// Cancel safe: no connection is lost.
    pub(crate) async fn accept(&self) -> TcpStream {
        loop {
            if let Some(stream) = poll_fn(|cx| self.poll_accept(cx)).await {
                return stream;
            }
            sleep(RETRY).await;
            if matches!(self.state.lock().socket, Socket::PortTaken) {
                self.reopen();
            }
        }
    }

    /// Returns `None` if the caller should retry after a pause.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Option<TcpStream>> {
        let mut state = self.state.lock();
        match &state.socket {
            Socket::Listening(listener) => {
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    return Poll::Ready(accepted.ok().map(|(stream, _)| stream));
                }
            }
            Socket::PortTaken => return Poll::Ready(None),
            Socket::Closed(_) | Socket::Removed => {}
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn bind_socket(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows this option would let two programs listen on one port, and a closed port can be rebound anyway.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
