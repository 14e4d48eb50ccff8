//! The tokio runtime of the commands, the signals that end them and the wall time.

use std::{thread::available_parallelism, time::SystemTime};

use tokio::runtime::{Builder, Runtime};

/// As many threads as there are cores; on a single core no second thread, which would only be in the way.
pub(crate) fn runtime() -> Result<Runtime, String> {
    let single = available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if single { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    // Looks for I/O while tasks are ready every 256 polls instead of every 61: a tenth less per streamed chunk.
    builder.event_interval(256).enable_all().build().map_err(|error| format!("cannot start: {error}"))
}

/// Completes on SIGINT or SIGTERM.
pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// The wall time, for people to read.
#[expect(clippy::disallowed_methods, reason = "files name the wall time, no decision depends on it")]
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}
