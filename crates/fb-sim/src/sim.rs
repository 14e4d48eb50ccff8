use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;

use tokio::task::JoinSet;

use crate::control::Handle;
use crate::dialect::Dialect;
use crate::door::Door;
use crate::http;

/// A running simulator of one provider. Dropped, it stops listening and ends every connection.
///
/// All controls are those of its [`Handle`], to which it dereferences.
#[derive(Debug)]
pub struct Sim {
    handle: Handle,
    _tasks: JoinSet<()>,
}

impl Sim {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If no socket can be had.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    /// Never waits.
    pub async fn start(dialect: Dialect) -> io::Result<Self> {
        Self::start_on(dialect, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Listens on `addr`.
    ///
    /// # Errors
    /// If the address can't be had.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    /// Never waits.
    #[expect(clippy::unused_async, reason = "only async code has the runtime this needs")]
    pub async fn start_on(dialect: Dialect, addr: SocketAddr) -> io::Result<Self> {
        let handle = Handle::new(dialect, Door::open_at(addr)?);
        let mut tasks = JoinSet::new();
        tasks.spawn(http::serve(handle.shared().clone()));
        Ok(Self { handle, _tasks: tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.handle.shared().door.addr()
    }

    /// What to configure a client with: `http://127.0.0.1:PORT/v1` for OpenAI, without `/v1` for the others.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.addr(), self.dialect().base_path())
    }

    /// Controls that can be cloned and sent elsewhere.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Deref for Sim {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Handles share the listener, and may outlive us.
        self.handle.shared().door.remove();
    }
}
