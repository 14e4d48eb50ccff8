//! The ledger: spend on disk.

mod config;
mod error;
mod file;
pub(crate) mod record;
pub(crate) mod signal;
pub(crate) mod stall;
mod writer;

pub use self::config::LedgerConfig;
pub use self::error::{LedgerError, LedgerErrorKind};
pub use self::stall::OnStall;
pub(crate) use self::writer::Ledger;

#[cfg(test)]
mod tests;
