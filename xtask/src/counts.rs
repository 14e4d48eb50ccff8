//! How many tests ran, read from the output of `cargo test`.

use std::fmt;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// Adds the numbers of a `test result: ok. 3 passed; 0 failed; ...` line; other lines change nothing.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        let words: Vec<&str> = result.split_whitespace().collect();
        for pair in words.windows(2) {
            let &[number, name] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match name {
                "passed;" => self.passed += number,
                "failed;" => self.failed += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed_and_others_ignored() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s",
            "test 9 passed; 9 failed; ... ok",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        ] {
            counts.add_line(line);
        }
        assert_eq!(counts, Counts { passed: 5, failed: 1 });
        assert_eq!(counts.to_string(), "5 passed, 1 failed");
    }
}
