//! Files with one item per line.

use std::io::{BufRead, Read};

/// Largest line, in bytes: 1 MiB.
pub(crate) const MAX_LINE: u64 = 1 << 20;
/// Most lines of a file.
const MAX_LINES: usize = 1_000_000;

/// Calls `each` with every line that is not blank, trimmed. Stops at the first error.
///
/// # Errors
/// The number of the line, from 1, and the error of `each`, of reading, or of a line that is too long or not UTF-8.
pub(crate) fn for_each_line(
    mut reader: impl BufRead,
    mut each: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), (usize, String)> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line);
        if read.map_err(|error| (number, error.to_string()))? == 0 {
            break;
        }
        if line.len() as u64 > MAX_LINE {
            return Err((number, format!("expected at most {MAX_LINE} bytes a line")));
        }
        if number > MAX_LINES {
            return Err((number, format!("expected at most {MAX_LINES} lines")));
        }
        let text = str::from_utf8(&line).map_err(|error| (number, format!("not UTF-8 text: {error}")))?;
        // Some editors begin a file with a byte order mark.
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if !text.trim().is_empty() {
            each(text.trim()).map_err(|error| (number, error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let mut seen = Vec::new();
        let read = for_each_line("one\n\n  two \r\nbad\n".as_bytes(), |line| {
            seen.push(line.to_owned());
            if line == "bad" { Err("no".to_owned()) } else { Ok(()) }
        });
        assert_eq!(
            (read, seen),
            (Err((4, "no".to_owned())), vec!["one".to_owned(), "two".to_owned(), "bad".to_owned()])
        );
        let mut seen = Vec::new();
        let read = for_each_line("\u{feff}one\n\u{feff}two".as_bytes(), |line| {
            seen.push(line.to_owned());
            Ok(())
        });
        assert_eq!((read, seen), (Ok(()), vec!["one".to_owned(), "\u{feff}two".to_owned()]));
        let long = vec![b'x'; (1 << 20) + 1];
        let read = for_each_line(&long[..], |_| Ok(()));
        assert_eq!(read, Err((1, "expected at most 1048576 bytes a line".to_owned())));
        let exactly = for_each_line(&long[1..], |_| Ok(()));
        assert_eq!(exactly, Ok(()));
        let binary = for_each_line(&b"\xff\n"[..], |_| Ok(()));
        assert!(binary.unwrap_err().1.starts_with("not UTF-8 text"));
    }
}
