//! Panic mode: ignores health while too few targets are healthy.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::PanicConfig;

/// Panic mode of a group: while on, the health of its targets is ignored because too few are healthy.
///
/// Panic begins below one share of healthy targets and ends at a higher one, which prevents flapping.
#[derive(Debug, Default)]
pub struct PanicMode {
    on: AtomicBool,
}

impl PanicMode {
    /// Updates the mode with `healthy` of `total` targets and returns whether it is on. It is off for 0 of 0 targets.
    pub fn update(&self, config: &PanicConfig, healthy: usize, total: usize) -> bool {
        let was_on = self.on.load(Ordering::Relaxed);
        let is_on = total > 0 && share(healthy, total) < if was_on { config.leave } else { config.enter };
        if is_on != was_on {
            self.on.store(is_on, Ordering::Relaxed);
        }
        is_on
    }

    /// Returns the result of the last update.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }
}

#[expect(clippy::cast_precision_loss, reason = "targets are few")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests;
