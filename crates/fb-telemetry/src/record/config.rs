use std::path::PathBuf;

use serde::Deserialize;

use crate::InvalidConfig;

/// The table `[record]`: finished requests are appended to a file, one line each. Without the table none is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RecordConfig {
    /// The file to append to. It contains names, numbers and kinds of failures, but no prompt and no answer.
    pub file: PathBuf,
    /// Size in bytes after which FILE is renamed to FILE.1, FILE.1 to FILE.2 and so on; at least 4,096. Defaults to 64
    /// MiB.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// Number of renamed files to keep, 1 to 1,000. Defaults to 5.
    #[serde(default = "default_keep")]
    pub keep: u32,
}

const fn default_max_bytes() -> u64 {
    64 << 20
}

const fn default_keep() -> u32 {
    5
}

impl RecordConfig {
    /// Creates a configuration for this file, with defaults for everything else.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), max_bytes: default_max_bytes(), keep: default_keep() }
    }

    /// Returns every invalid setting. Does not open the file.
    pub fn problems(&self) -> Vec<InvalidConfig> {
        let mut found = Vec::new();
        let mut invalid = |field, value, range| found.push(InvalidConfig::expecting(field, value, range));
        if self.file.file_name().is_none() {
            let value = format!("{:?}", self.file.display().to_string());
            invalid("record.file", value, "the path of a file");
        }
        if self.max_bytes < 4_096 {
            invalid("record.max_bytes", self.max_bytes.to_string(), "4096 bytes or more");
        }
        if !(1..=1_000).contains(&self.keep) {
            invalid("record.keep", self.keep.to_string(), "1 to 1000 files");
        }
        found
    }
}
