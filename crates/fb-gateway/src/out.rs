use std::{
    fs::File,
    io::{Read, Write, stdin, stdout},
    path::Path,
};

/// Prints a line. Whoever reads may have left (`fb serve | head -1`); a server does not die of that.
pub(crate) fn say(line: &str) {
    let mut out = stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// What a command line names: a file, or with `-` its standard input.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>, String> {
    if file == Path::new("-") {
        return Ok(Box::new(stdin().lock()));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}
