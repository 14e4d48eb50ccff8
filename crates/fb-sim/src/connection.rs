//! A connection below HTTP: the socket that hyper writes to, and the ways in which a fault ends it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::rt;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for which a closed connection is drained. Closing a socket with unread bytes would send RST instead of FIN.
const DRAIN: Duration = Duration::from_secs(5);

/// The way in which a fault ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// These bytes, then FIN.
    Raw(Bytes),
}

impl Ending {
    pub(crate) async fn perform(self, mut stream: TcpStream) -> io::Result<()> {
        match self {
            Self::Reset => return SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
            Self::Close => {}
            Self::Raw(bytes) => stream.write_all(&bytes).await?,
        }
        stream.shutdown().await?;
        let mut sink = [0; 4096];
        let drained = timeout(DRAIN, async {
            while stream.read(&mut sink).await? > 0 {}
            io::Result::Ok(())
        });
        drained.await.unwrap_or(Ok(()))
    }
}

/// The state that an answer shares with its connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    order: Mutex<Option<(Ending, Flush)>>,
    closes_on_next: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Due,
    Done,
}

impl Connection {
    /// Requests the end of the connection once all data written so far has reached the socket.
    pub(crate) fn end(&self, ending: Ending) {
        *self.order.lock() = Some((ending, Flush::Due));
    }

    /// Makes the connection close, without an answer, when the next request arrives.
    pub(crate) fn close_on_next(&self) {
        self.closes_on_next.store(true, Ordering::Relaxed);
    }

    pub(crate) fn closes_on_next(&self) -> bool {
        self.closes_on_next.load(Ordering::Relaxed)
    }

    /// Takes the requested ending once the socket is flushed.
    pub(crate) fn due(&self) -> Option<Ending> {
        let mut order = self.order.lock();
        order.take_if(|(_, flush)| *flush == Flush::Done).map(|(ending, _)| ending)
    }

    fn flushed(&self) {
        if let Some((_, flush)) = self.order.lock().as_mut() {
            *flush = Flush::Done;
        }
    }
}

/// A socket that tracks flushes. hyper flushes the socket only after its own buffer is empty, so a flush means that all
/// data was written.
#[derive(Debug)]
pub(crate) struct TrackedIo<'l> {
    io: TokioIo<TcpStream>,
    connection: &'l Connection,
}

impl<'l> TrackedIo<'l> {
    pub(crate) fn new(stream: TcpStream, connection: &'l Connection) -> Self {
        Self { io: TokioIo::new(stream), connection }
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.io.into_inner()
    }
}

impl rt::Read for TrackedIo<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl rt::Write for TrackedIo<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
