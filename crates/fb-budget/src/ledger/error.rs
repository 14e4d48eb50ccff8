//! Errors of the ledger.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use fb_core::InvalidConfig;
use thiserror::Error as ThisError;

/// The kind of a [`LedgerError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerErrorKind {
    /// Another process has the file open.
    Locked,
    /// The file is not a ledger, or it is damaged.
    Corrupt,
    /// A newer version of this crate wrote the file.
    Newer {
        /// The format version of the file.
        found: u64,
        /// The newest supported version.
        known: u64,
    },
    /// The operating system failed to read or write the file.
    Io,
    /// A commit takes longer than calls wait for it.
    Stalled,
    /// The program was built without the feature `ledger`.
    Unsupported,
}

/// A failure to open or write a ledger; the message contains the path of the file.
#[derive(Debug, ThisError)]
#[error("ledger {}: {}", path.display(), describe(*kind))]
pub struct LedgerError {
    path: PathBuf,
    kind: LedgerErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

fn describe(kind: LedgerErrorKind) -> String {
    match kind {
        LedgerErrorKind::Locked => "another process has it open".to_owned(),
        LedgerErrorKind::Corrupt => "not a ledger, or damaged; move it away to start a new one".to_owned(),
        LedgerErrorKind::Newer { found, known } => {
            format!("format {found} is newer than {known}, the newest supported one")
        }
        LedgerErrorKind::Io => "it cannot be read or written".to_owned(),
        LedgerErrorKind::Stalled => "a commit is taking too long".to_owned(),
        LedgerErrorKind::Unsupported => {
            "built without the feature `ledger` of fb-budget (`budget` of fb)".to_owned()
        }
    }
}

impl LedgerError {
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the kind of the failure.
    pub const fn kind(&self) -> LedgerErrorKind {
        self.kind
    }

    #[cfg(feature = "ledger")]
    pub(crate) fn newer(path: &Path, found: u64, known: u64) -> Self {
        Self { path: path.to_owned(), kind: LedgerErrorKind::Newer { found, known }, source: None }
    }

    pub(crate) fn stalled(path: &Path) -> Self {
        Self { path: path.to_owned(), kind: LedgerErrorKind::Stalled, source: None }
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        let is_damaged = error.kind() == io::ErrorKind::InvalidData;
        let kind = if is_damaged { LedgerErrorKind::Corrupt } else { LedgerErrorKind::Io };
        Self::new(path, kind, error)
    }

    pub(crate) fn new(
        path: &Path,
        kind: LedgerErrorKind,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { path: path.to_owned(), kind, source: Some(Box::new(source)) }
    }

    #[cfg(not(feature = "ledger"))]
    pub(crate) fn unsupported(path: &Path) -> Self {
        Self { path: path.to_owned(), kind: LedgerErrorKind::Unsupported, source: None }
    }
}

/// An error from [`Book::open`](crate::Book::open).
#[derive(Debug, ThisError)]
#[error(transparent)]
pub enum OpenError {
    /// A setting is invalid.
    Config(#[from] InvalidConfig),
    /// The ledger file cannot be used.
    Ledger(#[from] LedgerError),
}
