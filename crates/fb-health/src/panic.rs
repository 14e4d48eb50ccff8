//! When so few are healthy that choosing among them does harm.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::PanicConfig;

/// Whether what health says is to be ignored, because too few targets are left. Begins below one share and ends at a
/// higher one, so that it does not flicker between.
#[derive(Debug, Default)]
pub struct PanicMode {
    on: AtomicBool,
}

impl PanicMode {
    /// Takes in how many of how many are healthy, and says whether there is panic now. Nobody out of nobody is none.
    pub fn update(&self, config: &PanicConfig, healthy: usize, of: usize) -> bool {
        let was = self.on.load(Ordering::Relaxed);
        let is = of > 0 && share(healthy, of) < if was { config.leave } else { config.enter };
        if is != was {
            self.on.store(is, Ordering::Relaxed);
        }
        is
    }

    /// What the last update said.
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
