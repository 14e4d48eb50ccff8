use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{config::RecordConfig, counts::Counts, entry::RecordEntry};

/// Number of buffered bytes that triggers a write.
const BATCH: usize = 64 << 10;

/// A file of lines with size-based rotation: FILE is the newest, then FILE.1, then FILE.2.
pub(super) struct Files {
    config: RecordConfig,
    counts: Arc<Counts>,
    file: File,
    /// Size of the complete lines in the file, in bytes.
    size: u64,
    batch: Vec<u8>,
    lines: u64,
}

impl Files {
    pub(super) fn open(config: &RecordConfig, counts: Arc<Counts>) -> io::Result<Self> {
        let file = append(&config.file)?;
        let size = file.metadata()?.len();
        Ok(Self { config: config.clone(), counts, file, size, batch: Vec::new(), lines: 0 })
    }

    /// Buffers a line; [`Files::flush`] writes it to the file.
    pub(super) fn put(&mut self, entry: &RecordEntry) {
        let before = self.batch.len();
        if let Err(error) = serde_json::to_writer(&mut self.batch, entry) {
            self.batch.truncate(before);
            self.counts.add_lost(1, &error.to_string());
            return;
        }
        self.batch.push(b'\n');
        self.lines += 1;
        let earlier = self.size + before as u64;
        if earlier > 0 && earlier + (self.batch.len() - before) as u64 > self.config.max_bytes {
            let line = self.batch.split_off(before);
            self.lines -= 1;
            self.flush();
            if let Err(error) = self.rotate() {
                self.counts.add_lost(0, &format!("{}: {error}", self.config.file.display()));
            }
            (self.batch, self.lines) = (line, 1);
        }
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    /// Writes the buffered lines.
    pub(super) fn flush(&mut self) {
        match self.file.write_all(&self.batch) {
            Ok(()) => {
                self.size += self.batch.len() as u64;
                self.counts.add_written(self.lines);
            }
            Err(error) => {
                // A partial line would make the following ones unreadable.
                let cut = self.file.set_len(self.size);
                let why = cut.err().map_or_else(|| error.to_string(), |cut| format!("{error}, and {cut}"));
                self.counts.add_lost(self.lines, &format!("{}: {why}", self.config.file.display()));
            }
        }
        self.batch.clear();
        self.lines = 0;
    }

    fn rotate(&mut self) -> io::Result<()> {
        let path = &self.config.file;
        for number in (1..self.config.keep).rev() {
            rename(&numbered(path, number), &numbered(path, number + 1))?;
        }
        rename(path, &numbered(path, 1))?;
        self.file = append(path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }
}

/// Opens a file for appending. A new one is readable only by its owner: records may contain prompts.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Renames a file; a missing file is not an error.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}
