use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;

use tokio::task::JoinSet;

use crate::control::Handle;
use crate::dialect::Dialect;
use crate::http;
use crate::listener::Listener;

/// A running simulator of one provider.
///
/// Dropping it closes the listener and every connection. All controls are methods of its [`Handle`], to which it
/// dereferences.
///
/// # Examples
///
/// ```
/// use fb_sim::{Dialect, Fault, Sim};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let sim = Sim::start(Dialect::Anthropic).await?;
/// assert!(sim.base_url().starts_with("http://127.0.0.1:"));
///
/// sim.fault(Fault::status(529)); // every request fails from here on
/// sim.heal(); // and succeeds again
/// assert_eq!(sim.calls(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sim {
    handle: Handle,
    _tasks: JoinSet<()>,
}

impl Sim {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if no socket can be opened.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    /// Completes without waiting.
    pub async fn start(dialect: Dialect) -> io::Result<Self> {
        Self::start_on(dialect, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Listens on `addr`.
    ///
    /// # Errors
    /// Returns an error if the address cannot be bound.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    /// Completes without waiting.
    #[expect(clippy::unused_async, reason = "the async context guarantees the required runtime")]
    pub async fn start_on(dialect: Dialect, addr: SocketAddr) -> io::Result<Self> {
        let handle = Handle::new(dialect, Listener::bind(addr)?);
        let mut tasks = JoinSet::new();
        tasks.spawn(http::serve(handle.state().clone()));
        Ok(Self { handle, _tasks: tasks })
    }

    /// The address of the listener.
    pub fn addr(&self) -> SocketAddr {
        self.handle.state().listener.addr()
    }

    /// The base URL for clients: `http://127.0.0.1:PORT/v1` for OpenAI, without `/v1` for the other dialects.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.addr(), self.dialect().base_path())
    }

    /// A handle with the same controls, which can be cloned and sent to other tasks and threads.
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
        // Handles share the listener and may outlive this value.
        self.handle.state().listener.remove();
    }
}
