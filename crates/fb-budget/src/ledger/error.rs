//! Why a ledger cannot be used.

use std::{
    io,
    path::{Path, PathBuf},
};

use redb::DatabaseError;
use thiserror::Error;

/// Why a ledger cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerErrorKind {
    /// Another process has it open, or this one twice.
    Locked,
    /// It is no ledger, or is damaged.
    Corrupt,
    /// A newer version of this crate wrote it.
    Newer {
        /// The version of its format.
        found: u64,
        /// The newest that can be read.
        known: u64,
    },
    /// The system refused to read or write.
    Io,
}

/// A ledger that cannot be opened or written. It names the file.
#[derive(Debug, Error)]
#[error("ledger {}: {}", path.display(), words(*fault))]
pub struct LedgerError {
    path: PathBuf,
    fault: LedgerErrorKind,
    source: Option<Box<redb::Error>>,
}

fn words(fault: LedgerErrorKind) -> String {
    match fault {
        LedgerErrorKind::Locked => "another process has it open".to_owned(),
        LedgerErrorKind::Corrupt => "it is no ledger, or is damaged; move it away to begin anew".to_owned(),
        LedgerErrorKind::Newer { found, known } => {
            format!("its format {found} is newer than {known}, the newest that can be read")
        }
        LedgerErrorKind::Io => "it cannot be read or written".to_owned(),
    }
}

impl LedgerError {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it cannot be used.
    pub const fn kind(&self) -> LedgerErrorKind {
        self.fault
    }

    pub(crate) fn newer(path: &Path, found: u64, known: u64) -> Self {
        Self { path: path.to_owned(), fault: LedgerErrorKind::Newer { found, known }, source: None }
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::new(path, DatabaseError::from(error))
    }

    pub(crate) fn new(path: &Path, error: impl Into<redb::Error>) -> Self {
        let source = error.into();
        let fault = match &source {
            redb::Error::DatabaseAlreadyOpen => LedgerErrorKind::Locked,
            redb::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => LedgerErrorKind::Io,
            redb::Error::PreviousIo => LedgerErrorKind::Io,
            _ => LedgerErrorKind::Corrupt,
        };
        Self { path: path.to_owned(), fault, source: Some(Box::new(source)) }
    }
}
