use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use crate::Records;

/// Numbers of recorded and lost requests. The first loss is logged, later ones are only counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
}

impl Counts {
    pub(super) fn add_written(&self, requests: u64) {
        self.written.fetch_add(requests, Ordering::Relaxed);
    }

    pub(super) fn add_lost(&self, requests: u64, reason: &str) {
        if self.lost.fetch_add(requests, Ordering::Relaxed) == 0 {
            warn!("requests are not recorded: {reason}");
        }
    }

    pub(super) fn load(&self) -> Records {
        Records { written: self.written.load(Ordering::Relaxed), lost: self.lost.load(Ordering::Relaxed) }
    }
}
