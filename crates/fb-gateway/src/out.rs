use std::io::{Write, stdout};

/// Prints a line. Whoever reads may have left (`fb serve | head -1`); a server does not die of that.
pub(crate) fn say(line: &str) {
    let mut out = stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
