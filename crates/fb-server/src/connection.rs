//! The time limits on a connection: between two requests, and for the head of one.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// The requests of one connection that are being answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    count: AtomicU32,
    /// The connection, which may have stopped reading before its last response was dropped.
    connection: Mutex<Option<Waker>>,
}

/// Counts a request until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard(InFlight);

impl InFlight {
    /// Counts a request until the guard is dropped.
    pub(crate) fn begin(&self) -> InFlightGuard {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }

    /// Returns true if a request is being answered. The connection is then woken at its end.
    fn any(&self, cx: &Context<'_>) -> bool {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut connection = self.0.connection.lock();
        if !connection.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *connection = Some(cx.waker().clone());
        }
        drop(connection);
        // The request may have ended before the waker was there.
        self.0.count.load(Ordering::Acquire) > 0
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let Requests { count, connection } = &*self.0.0;
        count.fetch_sub(1, Ordering::Release);
        let connection = connection.lock().take();
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}

/// A socket that ends after a time without a request, or if the head of a request takes too long.
///
/// The connection reads whenever it has no request, so both limits are checked where it waits for bytes.
#[derive(Debug)]
pub(crate) struct ReadTimeout<S> {
    socket: S,
    in_flight: InFlight,
    head: Duration,
    keep_alive: Duration,
    phase: Phase,
    timer: Option<Pin<Box<Sleep>>>,
    /// True while the client has not taken all that was written, as far as the socket has room for it.
    is_writing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The connection is new, and no byte has arrived.
    New,
    /// A head is due, of which some bytes have arrived.
    Head,
    /// A request is being answered, and other limits apply.
    Request,
    /// A request was answered, and no byte of the next one has arrived.
    Idle,
}

/// The error of a connection on which the head of a request took too long.
#[derive(Debug, Error)]
#[error("the head of the request took too long")]
pub(crate) struct SlowHead;

impl<S> ReadTimeout<S> {
    pub(crate) const fn new(socket: S, in_flight: InFlight, head: Duration, keep_alive: Duration) -> Self {
        Self { socket, in_flight, head, keep_alive, phase: Phase::New, timer: None, is_writing: false }
    }

    /// Notes a write: a client that still receives an answer is not idle, however slowly it reads.
    fn record_write(&mut self, is_blocked: bool) {
        self.is_writing |= is_blocked;
        if self.is_writing {
            self.timer = None;
        }
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            (self.phase, self.timer) = (phase, None);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadTimeout<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.in_flight.any(cx) {
            this.enter(Phase::Request);
        } else if this.phase == Phase::Request {
            this.enter(Phase::Idle);
        }
        let before = into.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, into);
        let has_arrived = into.filled().len() > before;
        let limit = match this.phase {
            Phase::Request => return read,
            Phase::New | Phase::Head => this.head,
            Phase::Idle if has_arrived => {
                this.enter(Phase::Head);
                return read;
            }
            Phase::Idle => this.keep_alive,
        };
        if has_arrived {
            this.phase = Phase::Head;
        }
        if read.is_ready() || this.is_writing {
            return read;
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        // Without a byte of a request, as if the client had closed the connection.
        let is_slow = this.phase == Phase::Head;
        let end = || if is_slow { Err(io::Error::new(io::ErrorKind::TimedOut, SlowHead)) } else { Ok(()) };
        timer.as_mut().poll(cx).map(|()| end())
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadTimeout<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.record_write(written.is_pending());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, bytes);
        this.record_write(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.socket).poll_flush(cx);
        if flushed.is_ready() && this.is_writing {
            this.is_writing = false;
            // The time without a request begins with the next read.
            cx.waker().wake_by_ref();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn head_and_idle_connection_have_limits_of_their_own() {
        let seconds = Duration::from_secs;
        let (near, mut far) = duplex(64);
        let in_flight = InFlight::default();
        let mut socket = ReadTimeout::new(near, in_flight.clone(), seconds(30), seconds(75));
        let mut buffer = [0; 8];
        let begin = Instant::now();
        let elapsed = || begin.elapsed().as_secs();
        far.write_all(b"GET").await.unwrap();
        assert_eq!(socket.read(&mut buffer).await.unwrap(), 3);

        // A request takes its time, and the connection is then idle.
        let guard = in_flight.begin();
        let slow = async {
            sleep(seconds(100)).await;
            far.write_all(b"body").await.unwrap();
        };
        let (read, ()) = tokio::join!(socket.read(&mut buffer), slow);
        assert_eq!((read.unwrap(), elapsed()), (4, 100));
        drop(guard);
        let next = async {
            sleep(seconds(70)).await;
            far.write_all(b"GE").await.unwrap();
        };
        let (read, ()) = tokio::join!(socket.read(&mut buffer), next);
        assert_eq!((read.unwrap(), elapsed()), (2, 170));
        // The rest of the head does not come.
        let slow = socket.read(&mut buffer).await.unwrap_err();
        assert!(slow.get_ref().unwrap().is::<SlowHead>() && elapsed() == 200, "{slow}");

        drop(in_flight.begin());
        let (near, _far) = duplex(64);
        let mut socket = ReadTimeout::new(near, in_flight, seconds(30), seconds(75));
        assert_eq!((socket.read(&mut buffer).await.unwrap(), elapsed()), (0, 230), "a new connection");
    }

    #[tokio::test(start_paused = true)]
    async fn slow_reader_of_an_answer_is_not_idle() {
        let seconds = Duration::from_secs;
        let (near, mut far) = duplex(8);
        let in_flight = InFlight::default();
        let guard = in_flight.begin();
        let mut socket = ReadTimeout::new(near, in_flight, seconds(30), seconds(75));
        far.write_all(b"GET").await.unwrap();
        assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 3);
        // The whole answer was given to the connection, and its request has ended.
        drop(guard);
        let begin = Instant::now();
        let (mut read_half, mut write_half) = tokio::io::split(socket);
        let write = async {
            write_half.write_all(&[1; 40]).await.unwrap();
            write_half.flush().await.unwrap();
            begin.elapsed().as_secs()
        };
        let client = async {
            for _ in 0..5 {
                sleep(seconds(60)).await;
                far.read_exact(&mut [0; 8]).await.unwrap();
            }
        };
        let read = async { (read_half.read(&mut [0; 8]).await.unwrap(), begin.elapsed().as_secs()) };
        let (written, (), read) = tokio::join!(write, client, read);
        assert_eq!((written, read), (240, (0, 240 + 75)), "idle from the last write on");
    }
}
