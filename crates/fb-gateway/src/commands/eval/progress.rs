//! The progress bar.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error, shown only on a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Starts a bar of `pending` cases to run and `known` ones that are done.
    pub(super) fn new(pending: usize, known: usize) -> Self {
        let progress = ProgressBar::new((pending + known) as u64).with_position(known as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} answers, {elapsed}, {eta} left")
        {
            progress.set_style(style);
        }
        Self(progress)
    }

    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
