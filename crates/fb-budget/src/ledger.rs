//! The ledger: spend on disk.

mod config;
mod error;
#[cfg(feature = "ledger")]
mod file;
#[cfg(not(feature = "ledger"))]
#[path = "ledger/no_file.rs"]
mod file;
pub(crate) mod record;
pub(crate) mod shared;
pub(crate) mod signal;
pub(crate) mod stall;
mod writer;

pub use self::config::LedgerConfig;
pub use self::error::{LedgerError, LedgerErrorKind, OpenError};
pub use self::stall::OnStall;
#[cfg(test)]
pub(crate) use self::writer::Ledger;

#[cfg(test)]
#[cfg(feature = "ledger")]
mod tests;
