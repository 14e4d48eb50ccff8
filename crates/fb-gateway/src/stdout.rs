//! Lines and tables on standard output.

use std::{
    io::{Write, stdout},
    time::Duration,
};

/// Prints a line. Errors are ignored: a server must survive a reader that closed its pipe (`fb serve | head -1`).
pub(crate) fn print_line(line: &str) {
    let mut stdout = stdout().lock();
    drop(writeln!(stdout, "{line}").and_then(|()| stdout.flush()));
}

/// Formats a count and a noun with a regular plural, such as `2 errors`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Returns the nearest-rank percentile of sorted values; `None` if there are none.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Converts a duration to whole milliseconds, the unit of files.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Formats milliseconds as seconds, the unit of tables.
pub(crate) fn seconds(millis: u64) -> String {
    format!("{:.3} s", Duration::from_millis(millis).as_secs_f64())
}

/// Formats rows, the first of which is the head, as lines of aligned columns. The last `right` columns are
/// right-aligned.
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
