//! The file of the ledger: a table of accounts, and the version of the format.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{
    error::{LedgerError, LedgerErrorKind},
    record::{Record, Records},
};
use crate::calendar::Calendar;

/// Day, month, nano-dollars spent in the day, in the month, in total, and written ahead.
type Row = (u64, u64, u64, u64, u64, u64);

const SPENT: TableDefinition<'_, &str, Row> = TableDefinition::new("spent");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VERSION: u64 = 1;
/// Enough for one row per account; the default of redb is a gigabyte.
const CACHE_BYTES: usize = 1 << 20;

pub(crate) struct File {
    path: PathBuf,
    database: Database,
}

impl File {
    /// Opens the file; an empty one becomes a ledger.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |error| failed(path, error);
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let database = database.map_err(|error| failed(error.into()))?;
        let found = prepare(&database).map_err(failed)?;
        if found > VERSION {
            return Err(LedgerError::newer(path, found, VERSION));
        }
        Ok(Self { path: path.to_owned(), database })
    }

    pub(crate) fn read(&self) -> Result<Records, LedgerError> {
        read(&self.database).map_err(|error| failed(&self.path, error))
    }

    /// Writes the rows in one commit, with fsync.
    pub(crate) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (&'a str, &'a Record)>,
    ) -> Result<(), LedgerError> {
        write(&self.database, rows).map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: redb::Error) -> LedgerError {
    let kind = match error {
        redb::Error::DatabaseAlreadyOpen => LedgerErrorKind::Locked,
        redb::Error::Io(error) => return LedgerError::io(path, error),
        redb::Error::PreviousIo => LedgerErrorKind::Io,
        _ => LedgerErrorKind::Corrupt,
    };
    LedgerError::new(path, kind, error)
}

/// Creates a missing file so that only its owner can read it; redb formats an empty one.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Creates missing tables and returns the format version of the file.
fn prepare(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let found = {
        let mut meta = transaction.open_table(META)?;
        let found = meta.get("version")?.map(|found| found.value());
        if found.is_none() {
            meta.insert("version", VERSION)?;
            transaction.open_table(SPENT)?;
        }
        found.unwrap_or(VERSION)
    };
    transaction.commit()?;
    Ok(found)
}

fn read(database: &Database) -> Result<Records, redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(SPENT)?;
    let mut records = Records::new();
    for row in table.iter()? {
        let (tenant, row) = row?;
        let (day, month, day_spent, month_spent, total, ahead) = row.value();
        let calendar = Calendar { day, month, day_spent, month_spent };
        records.insert(tenant.value().to_owned(), Record { calendar, total, ahead });
    }
    Ok(records)
}

fn write<'a>(
    database: &Database,
    rows: impl Iterator<Item = (&'a str, &'a Record)>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(SPENT)?;
        for (tenant, Record { calendar, total, ahead }) in rows {
            let Calendar { day, month, day_spent, month_spent } = *calendar;
            table.insert(tenant, (day, month, day_spent, month_spent, *total, *ahead))?;
        }
    }
    transaction.commit()?;
    Ok(())
}
