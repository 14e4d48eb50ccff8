use indicatif::{ProgressBar, ProgressStyle};

/// A bar on the standard error, where that is a terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// So many are to be asked; so many are known.
    pub(super) fn new(asked: usize, known: usize) -> Self {
        let progress = ProgressBar::new((asked + known) as u64).with_position(known as u64);
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
