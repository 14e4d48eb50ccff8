//! The configuration of a ledger.

use std::{path::PathBuf, time::Duration};

use fb_core::InvalidConfig;
use serde::{Deserialize, Serialize};

use super::stall::OnStall;
use crate::config::{MAX_USD, money};

/// A few calls of a large model, or a few hundred of a small one.
const AHEAD_USD: f64 = 0.1;

/// A hundred commits of a slow disk.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The settings of a ledger, which keeps spend across restarts.
///
/// The ledger is one file for one process at a time. For each account it records the spent amount, and how much may
/// have been spent beyond it: the amounts reserved by calls in flight, plus `ahead_usd`. It is written with fsync, at
/// most 100 ms after a call settled or released its reservation, and at once when reservations exceed the recorded
/// amount. After a kill or a power cut, everything settled and reserved counts as spent, and beyond that at most
/// `ahead_usd` and the amounts released since the last commit. After a clean shutdown, exactly the settled amount
/// counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LedgerConfig {
    /// The path of the file, created if missing; its folder must exist.
    pub path: PathBuf,
    /// US dollars written ahead per account, 0 to 10⁹. A smaller amount makes calls wait for a commit more often; a
    /// larger amount counts more unspent money as spent after a kill. Defaults to 0.10.
    #[serde(default = "ahead_usd")]
    pub ahead_usd: f64,
    /// Maximum time that a call waits for a commit. Defaults to 2 s.
    #[serde(default = "max_wait", with = "humantime_serde")]
    pub max_wait: Duration,
    /// The treatment of calls that waited so long, and of those after them until a commit succeeds: `serve` continues
    /// under the limits as counted in memory, `refuse` refuses what the disk does not cover. Defaults to "serve".
    #[serde(default)]
    pub on_stall: OnStall,
}

const fn ahead_usd() -> f64 {
    AHEAD_USD
}

const fn max_wait() -> Duration {
    MAX_WAIT
}

impl LedgerConfig {
    /// Creates a configuration with this file and defaults for all other settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ahead_usd: AHEAD_USD, max_wait: MAX_WAIT, on_stall: OnStall::Serve }
    }

    /// Checks the settings without opening the file.
    ///
    /// # Errors
    /// Returns the first invalid setting.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        match InvalidConfig::check_duration("ledger.max_wait", self.max_wait) {
            Some(invalid) => Err(invalid),
            None => self.quantum().map(drop),
        }
    }

    /// Returns the amount written ahead, in nano-dollars.
    pub(crate) fn quantum(&self) -> Result<u64, InvalidConfig> {
        if (0.0..=MAX_USD).contains(&self.ahead_usd) {
            return Ok(money(self.ahead_usd).nanos());
        }
        Err(InvalidConfig::expecting("ledger.ahead_usd", self.ahead_usd, "0 to 1000000000"))
    }
}
