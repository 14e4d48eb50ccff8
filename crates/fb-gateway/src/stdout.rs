use std::{
    fs::File,
    io::{Read, Write, stdin, stdout},
    path::Path,
    time::Duration,
};

/// Prints a line. Whoever reads may have left (`fb serve | head -1`); a server does not die of that.
pub(crate) fn say(line: &str) {
    let mut out = stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// So many of a word whose plural has an s.
pub(crate) fn count(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
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

/// The smallest value that so many per cent do not exceed; `None` of no values.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// A time as numbers in files have it.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time as tables have it.
pub(crate) fn seconds(millis: u64) -> String {
    format!("{:.3} s", Duration::from_millis(millis).as_secs_f64())
}

/// Rows as lines of aligned columns, the first one a head; the last `right` columns end at the same place.
pub(crate) fn table(rows: &[Vec<String>], right: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        if column + right >= columns { format!("{text:>width$}") } else { format!("{text:width$}") }
    };
    let line = |row: &Vec<String>| {
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
