//! Mutation tests: breaks the engine in known ways, one at a time, in a copy of the sources. The invariants must fail for
//! each.

mod list;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail, ensure};

use self::list::{MUTATIONS, Mutation};
use crate::process::{cargo, read, root, target_dir};

/// Enough worlds to catch every mutation, few enough for a step of CI.
const WORLDS: &str = "1500";
/// The message of a violated invariant, as opposed to any other failure.
const NOTICED: &str = "worlds are wrong";

pub(crate) fn run() -> Result<()> {
    let target = target_dir()?;
    let copy = Copy { folder: target.join("mutants"), target: target.join("mutants-target") };
    copy.refresh()?;
    for mutation in &MUTATIONS {
        mutation.apply(&copy.read(mutation.file)?)?;
    }
    let sound = copy.test()?;
    ensure!(sound.status.success(), "the invariants fail without a mutation:\n{}", text(&sound));
    let mut survivors = Vec::new();
    for mutation in &MUTATIONS {
        let caught = copy.catches(mutation)?;
        println!("{} {}", if caught { "caught  " } else { "SURVIVED" }, mutation.breaks);
        if !caught {
            survivors.push(mutation.breaks);
        }
    }
    ensure!(survivors.is_empty(), "survivors: {}", survivors.join("; "));
    println!("mutants: {} of {} were caught", MUTATIONS.len(), MUTATIONS.len());
    Ok(())
}

impl Mutation {
    /// Returns the text of the file with the mutation applied.
    fn apply(&self, text: &str) -> Result<String> {
        let found = text.matches(self.from).count();
        ensure!(found == 1, "stale mutation ({}): found {found} times in {}", self.breaks, self.file);
        Ok(text.replace(self.from, self.to))
    }
}

/// A copy of the repository, and its build directory.
struct Copy {
    folder: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies the files that differ, so that only those are built again.
    fn refresh(&self) -> Result<()> {
        let list = "ls-files -z --cached --others --exclude-standard";
        let listed = read(Command::new("git").args(list.split(' ')).current_dir(root()))?;
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let (from, to) = (root().join(path), self.folder.join(path));
            // Deleted, but still in the index.
            if !from.exists() {
                continue;
            }
            let bytes = fs::read(&from).with_context(|| format!("cannot read {path}"))?;
            if fs::read(&to).ok().as_deref() != Some(&bytes) {
                fs::create_dir_all(to.parent().unwrap_or_else(|| Path::new(".")))?;
                fs::write(&to, bytes)?;
            }
        }
        Ok(())
    }

    fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.folder.join(path)).with_context(|| format!("cannot read {path}"))
    }

    /// Returns true if the invariants catch the mutation. Its file is restored in any case.
    fn catches(&self, mutation: &Mutation) -> Result<bool> {
        let (path, sound) = (self.folder.join(mutation.file), self.read(mutation.file)?);
        fs::write(&path, mutation.apply(&sound)?)?;
        let tested = self.test();
        fs::write(&path, sound)?;
        let tested = tested.with_context(|| format!("mutation ({})", mutation.breaks))?;
        let noticed = text(&tested).contains(NOTICED);
        if !tested.status.success() && !noticed {
            bail!("mutation ({}) fails for another reason:\n{}", mutation.breaks, text(&tested));
        }
        Ok(noticed)
    }

    /// Builds and runs the invariants. A failing build is an error.
    fn test(&self) -> Result<Output> {
        let built = self.cargo("test -p fb --lib --locked --quiet --no-run").output()?;
        ensure!(built.status.success(), "does not build:\n{}", text(&built));
        Ok(self.cargo("test -p fb --lib --locked --quiet invariants").output()?)
    }

    fn cargo(&self, words: &str) -> Command {
        let mut cargo = cargo(words);
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.target);
        cargo.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_DEV_DEBUG", "false");
        cargo.env("FB_WORLDS", WORLDS).env("RUST_BACKTRACE", "0").env_remove("FB_SEED").env_remove("FB_BASE");
        cargo
    }
}

/// Returns the last 200 lines of a command's output.
fn text(output: &Output) -> String {
    let lines = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let all = lines.concat();
    let lines: Vec<&str> = all.lines().collect();
    lines[lines.len().saturating_sub(200)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_matches_the_sources() {
        for mutation in &MUTATIONS {
            let text = fs::read_to_string(root().join(mutation.file)).unwrap();
            mutation.apply(&text).unwrap();
        }
    }

    #[test]
    fn mutation_must_match_exactly_once() {
        let mutation = Mutation { breaks: "counting", file: "a.rs", from: "a < b", to: "a <= b" };
        assert_eq!(mutation.apply("if a < b {}").unwrap(), "if a <= b {}");
        for (text, times) in [("", 0), ("a < b; a < b", 2)] {
            let stale = mutation.apply(text).unwrap_err().to_string();
            assert_eq!(stale, format!("stale mutation (counting): found {times} times in a.rs"));
        }
    }

    #[test]
    fn every_mutation_applies_to_the_current_sources() {
        for mutation in &MUTATIONS {
            let sound = fs::read_to_string(root().join(mutation.file)).unwrap();
            assert_ne!(mutation.apply(&sound).unwrap(), sound);
        }
    }
}
