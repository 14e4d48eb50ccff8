//! The listening socket, which can be shut and opened again on the same port.

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

/// Connections the kernel holds for us.
const BACKLOG: u32 = 1024;

/// Pause after a failed accept or a failed reopening: both come from a lack of something (descriptors, the port)
/// that others will give back.
const RETRY: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Door {
    addr: SocketAddr,
    /// Listening registers with the reactor, and a handle may be used from a thread that has none.
    runtime: runtime::Handle,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    leaf: Leaf,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Leaf {
    Open(TcpListener),
    /// The socket is bound and does not listen: connects are refused, and nobody else gets the port.
    Shut(Option<TcpSocket>),
    /// Wanted open, but somebody took the port.
    Stuck,
    /// The simulator is gone.
    Removed,
}

impl Door {
    pub(crate) fn open_at(addr: SocketAddr) -> io::Result<Self> {
        let listener = bind(addr)?.listen(BACKLOG)?;
        Ok(Self {
            addr: listener.local_addr()?,
            runtime: runtime::Handle::current(),
            state: Mutex::new(State { leaf: Leaf::Open(listener), waker: None }),
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn shut(&self) {
        let mut state = self.state.lock();
        if matches!(state.leaf, Leaf::Open(_) | Leaf::Stuck) {
            // The old socket has to go first: two sockets share a port only while neither listens.
            drop(mem::replace(&mut state.leaf, Leaf::Shut(None)));
            state.leaf = Leaf::Shut(bind(self.addr).ok());
        }
    }

    pub(crate) fn open(&self) {
        let mut state = self.state.lock();
        let socket = match mem::replace(&mut state.leaf, Leaf::Stuck) {
            Leaf::Shut(Some(socket)) => Ok(socket),
            Leaf::Shut(None) | Leaf::Stuck => bind(self.addr),
            other @ (Leaf::Open(_) | Leaf::Removed) => {
                state.leaf = other;
                return;
            }
        };
        let _reactor = self.runtime.enter();
        if let Ok(listener) = socket.and_then(|socket| socket.listen(BACKLOG)) {
            state.leaf = Leaf::Open(listener);
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn remove(&self) {
        self.state.lock().leaf = Leaf::Removed;
    }

    /// # Cancel safety
    /// No connection is lost.
    pub(crate) async fn accept(&self) -> TcpStream {
        loop {
            if let Some(stream) = poll_fn(|cx| self.poll_accept(cx)).await {
                return stream;
            }
            sleep(RETRY).await;
            if matches!(self.state.lock().leaf, Leaf::Stuck) {
                self.open();
            }
        }
    }

    /// `None` asks for another try a little later.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Option<TcpStream>> {
        let mut state = self.state.lock();
        match &state.leaf {
            Leaf::Open(listener) => {
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    return Poll::Ready(accepted.ok().map(|(stream, _)| stream));
                }
            }
            Leaf::Stuck => return Poll::Ready(None),
            Leaf::Shut(_) | Leaf::Removed => {}
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows this option lets two programs listen on one port; there a port is free to bind at once anyway.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
