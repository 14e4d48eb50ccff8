//! One connection below HTTP: what hyper writes to, and how it ends when a fault takes it away from hyper.

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

/// How long a closed connection is drained. Closing a socket with unread bytes in it sends RST where a test
/// asked for FIN.
const DRAIN: Duration = Duration::from_secs(5);

/// How a fault ends a connection.
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

/// The orders an answer gives its connection.
#[derive(Debug, Default)]
pub(crate) struct Line {
    order: Mutex<Option<(Ending, Flush)>>,
    doomed: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Due,
    Done,
}

impl Line {
    /// Ends the connection as soon as everything written before has reached the socket.
    pub(crate) fn end(&self, ending: Ending) {
        *self.order.lock() = Some((ending, Flush::Due));
    }

    /// The next request on this connection gets a FIN for an answer.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Relaxed)
    }

    /// The ending that is due, once.
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

/// A socket that tells its line when hyper has nothing left to write: hyper flushes the socket only after its
/// own buffer is empty.
#[derive(Debug)]
pub(crate) struct Wire<'l> {
    io: TokioIo<TcpStream>,
    line: &'l Line,
}

impl<'l> Wire<'l> {
    pub(crate) fn new(stream: TcpStream, line: &'l Line) -> Self {
        Self { io: TokioIo::new(stream), line }
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.io.into_inner()
    }
}

impl rt::Read for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl rt::Write for Wire<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.line.flushed();
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
