//! The tokio runtime of the commands, the stop signals, and the wall clock.

use std::{thread::available_parallelism, time::SystemTime};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

/// Builds the runtime: one thread per core, and on a single core no worker threads, which would only cost switches.
pub(crate) fn runtime() -> Result<Runtime, String> {
    let single = available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if single { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    // With ready tasks, check for I/O every 256 polls instead of every 61: 10 % less time per streamed chunk.
    builder.event_interval(256).enable_all().build().map_err(|error| format!("cannot start: {error}"))
}

/// A signal that ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGTERM, from a supervisor.
    Terminate,
    /// SIGINT, from a terminal.
    Interrupt,
}

/// Receives SIGINT and SIGTERM, which would end the process otherwise.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Starts to receive them, before anything is announced that a supervisor may act on.
    pub(crate) fn start() -> Result<Self, String> {
        let receive = |kind, name| signal(kind).map_err(|error| format!("cannot receive {name}: {error}"));
        let terminate = receive(SignalKind::terminate(), "SIGTERM")?;
        Ok(Self { terminate, interrupt: receive(SignalKind::interrupt(), "SIGINT")? })
    }

    /// Completes on the next signal.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

/// Starts to receive SIGHUP, which would end the process otherwise.
pub(crate) fn hangup_signal() -> Result<Signal, String> {
    signal(SignalKind::hangup()).map_err(|error| format!("cannot receive SIGHUP: {error}"))
}

/// Logs every SIGHUP and does nothing else. Never completes.
pub(crate) async fn ignore_hangups(mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        tracing::warn!("SIGHUP ignored: a changed configuration takes effect after a restart");
    }
    std::future::pending::<()>().await;
}

/// Returns the wall-clock time, for output.
#[expect(clippy::disallowed_methods, reason = "the time is written to files; no decision depends on it")]
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}
