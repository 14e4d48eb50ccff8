//! Test results, read from the output of `cargo test`.

use std::{collections::BTreeMap, fmt};

/// A test binary, as `cargo test` selects it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Target {
    pub(crate) package: String,
    /// Such as `--lib` or `--test it`.
    pub(crate) selector: String,
}

impl Target {
    /// The command that runs one test of this target again.
    fn command(&self, test: &str) -> String {
        let Self { package, selector } = self;
        match selector.as_str() {
            // The name of a documentation test holds spaces, parentheses and a line number that moves.
            "--doc" => {
                let path = test.split(" (line").next().unwrap_or(test);
                format!("cargo xtask test -- -p {package} --doc -- '{path}'")
            }
            _ => format!("cargo xtask test -- -p {package} {selector} {test} -- --exact"),
        }
    }
}

/// The target whose output is being read.
#[derive(Debug, Default)]
struct Running {
    target: Target,
    failed: Vec<String>,
    has_result: bool,
}

/// The counts and the failed tests of one run.
#[derive(Debug, Default)]
pub(crate) struct Results {
    targets: BTreeMap<(String, String), Target>,
    running: Option<Running>,
    passed: u64,
    failed: u64,
    /// The command for each failed test.
    commands: Vec<String>,
}

impl Results {
    /// No results yet of these targets, which are keyed by the name of the binary and the path of the source.
    pub(crate) fn of_targets(targets: BTreeMap<(String, String), Target>) -> Self {
        Self { targets, ..Self::default() }
    }

    /// Reads one line of the output of `cargo test`; a line of any other kind changes nothing.
    pub(crate) fn add_line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(target) = self.started(line.trim_start()) {
            self.finish();
            self.running = Some(Running { target, ..Running::default() });
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.count(counts);
        } else if let Some(test) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
            && let Some(running) = &mut self.running
        {
            running.failed.push(test.trim_end_matches(" - should panic").to_owned());
        }
    }

    /// Ends the target that is being read. One that ended without a result line has crashed and counts as a failure.
    pub(crate) fn finish(&mut self) {
        let Some(Running { target, failed, has_result }) = self.running.take() else { return };
        self.commands.extend(failed.iter().map(|test| target.command(test)));
        if !has_result {
            self.failed += 1 + failed.len() as u64;
            self.commands.push(format!("cargo xtask test -- -p {} {}", target.package, target.selector));
        }
    }

    /// The target that this line of cargo announces.
    fn started(&self, line: &str) -> Option<Target> {
        if let Some(library) = line.strip_prefix("Doc-tests ") {
            let mut targets = self.targets.iter();
            let found = targets.find(|((name, _), target)| name == library && target.selector == "--lib");
            let package =
                found.map_or_else(|| library.replace('_', "-"), |(_, target)| target.package.clone());
            return Some(Target { package, selector: "--doc".to_owned() });
        }
        let (source, binary) = line.strip_prefix("Running ")?.split_once(" (")?;
        let source = source.strip_prefix("unittests ").unwrap_or(source).to_owned();
        let stem = binary.trim_end_matches(')').rsplit('/').next()?.rsplit_once('-')?.0.to_owned();
        Some(
            self.targets
                .get(&(stem.clone(), source))
                .cloned()
                .unwrap_or(Target { package: stem, selector: String::new() }),
        )
    }

    /// Adds the numbers of `ok. 3 passed; 0 failed; …`.
    fn count(&mut self, counts: &str) {
        let words: Vec<&str> = counts.split_whitespace().collect();
        for pair in words.windows(2) {
            let &[number, name] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match name {
                "passed;" => self.passed += number,
                "failed;" => self.failed += number,
                _ => {}
            }
        }
        if let Some(running) = &mut self.running {
            running.has_result = true;
        }
    }
}

impl fmt::Display for Results {
    /// The commands that run the failed tests again, then the counts on the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.commands.is_empty() {
            writeln!(f, "\nTo run what failed again:")?;
        }
        for command in &self.commands {
            writeln!(f, "  {command}")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(package: &str, selector: &str) -> Target {
        Target { package: package.to_owned(), selector: selector.to_owned() }
    }

    fn results(lines: &[&str]) -> String {
        let key = |name: &str, source: &str| (name.to_owned(), source.to_owned());
        let mut results = Results::of_targets(BTreeMap::from([
            (key("fb_core", "src/lib.rs"), target("fb-core", "--lib")),
            (key("fb", "src/lib.rs"), target("fb", "--lib")),
            (key("fb", "src/main.rs"), target("fb-gateway", "--bin fb")),
            (key("it", "it/main.rs"), target("fb-tests", "--test it")),
        ]));
        for line in lines {
            results.add_line(line);
        }
        results.finish();
        results.to_string()
    }

    #[test]
    fn counts_are_summed_and_other_lines_ignored() {
        let printed = results(&[
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s",
            "test 9 passed; 9 failed; ... ok",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        ]);
        assert_eq!(printed, "5 passed, 0 failed");
    }

    #[test]
    fn failed_tests_are_listed_with_the_command_that_runs_them_again() {
        let printed = results(&[
            "     Running unittests src/main.rs (target/debug/deps/fb-0a1b)",
            "test cli::flags ... FAILED",
            "test cli::other ... ok",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "     Running it/main.rs (target/debug/deps/it-0a1b)",
            "test blocks::block_is_surfaced - should panic ... FAILED",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "   Doc-tests fb_core",
            "test crates/fb-core/src/trace.rs - trace::Trace (line 12) ... FAILED",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ]);
        assert_eq!(
            printed,
            "\nTo run what failed again:
  cargo xtask test -- -p fb-gateway --bin fb cli::flags -- --exact
  cargo xtask test -- -p fb-tests --test it blocks::block_is_surfaced -- --exact
  cargo xtask test -- -p fb-core --doc -- 'crates/fb-core/src/trace.rs - trace::Trace'
1 passed, 3 failed"
        );
    }
    #[test]
    fn target_without_result_line_counts_as_failed() {
        let printed = results(&[
            "     Running unittests src/lib.rs (target/debug/deps/fb_core-0a1b)",
            "test trace::first ... FAILED",
            "error: test failed, to rerun pass `-p fb-core --lib`",
            "     Running unittests src/lib.rs (target/debug/deps/fb-0a1b)",
            "test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ]);
        assert_eq!(
            printed,
            "\nTo run what failed again:
  cargo xtask test -- -p fb-core --lib trace::first -- --exact
  cargo xtask test -- -p fb-core --lib
7 passed, 2 failed"
        );
    }
}
