//! The file of the ledger in a build without the feature `ledger`: it cannot be opened.

use std::{convert::Infallible, io, path::Path};

use super::{
    error::LedgerError,
    record::{Record, Records},
};

/// A file that does not exist.
pub(crate) struct File(Infallible);

impl File {
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        Err(LedgerError::unsupported(path))
    }

    pub(crate) fn read(&self) -> Result<Records, LedgerError> {
        match self.0 {}
    }

    pub(crate) fn write<'a>(
        &self,
        _rows: impl Iterator<Item = (&'a str, &'a Record)>,
    ) -> Result<(), LedgerError> {
        match self.0 {}
    }
}

/// Creates nothing.
#[expect(clippy::unnecessary_wraps, reason = "the other form returns an error")]
pub(super) const fn create_private(_path: &Path) -> io::Result<()> {
    Ok(())
}
