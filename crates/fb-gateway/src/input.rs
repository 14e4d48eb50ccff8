//! Input files of the commands.

use std::{
    fs::File,
    io::{Read, stdin},
    path::Path,
};

/// Opens an input file, or standard input for `-`.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>, String> {
    if file == Path::new("-") {
        return Ok(Box::new(stdin().lock()));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}
