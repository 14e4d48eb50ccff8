//! Rules about files.

use std::path::Path;

const TOP_LEVEL: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "CONTRIBUTING.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "crates",
    "xtask",
    "tests",
    "docs",
];
/// File names that do not describe the content.
const EMPTY_NAMES: [&str; 5] = ["utils.rs", "helpers.rs", "common.rs", "misc.rs", "types.rs"];
/// Praise without content, searched for in Markdown.
const WORDS: [&str; 5] = ["blazing", "robust", "comprehensive", "seamless", "cutting-edge"];

/// A file by its path from the root of the repository, with its text if it is Markdown or Rust.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Returns true if the words of this file are checked.
pub(crate) fn is_prose(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// Returns true if this is a Rust source file.
pub(crate) fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Returns every violation.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut violations = top_level(files);
    for file in files {
        violations.extend(name(&file.path));
        if is_prose(Path::new(&file.path)) {
            violations.extend(words(file));
        }
    }
    violations
}

fn top_level(files: &[File]) -> Vec<String> {
    let mut entries: Vec<&str> = files.iter().filter_map(|file| file.path.split('/').next()).collect();
    entries.dedup();
    entries.retain(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry));
    entries
        .into_iter()
        .map(|entry| format!("{entry}: does not belong at the top level of the repository"))
        .collect()
}

fn name(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "mod.rs" {
        return Some(format!("{path}: a module's file is named after the module, not mod.rs"));
    }
    EMPTY_NAMES.contains(&name).then(|| format!("{path}: name the file after what is inside"))
}

fn words(file: &File) -> Vec<String> {
    let mut violations = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.to_lowercase();
        for word in WORDS {
            if line.contains(word) {
                violations.push(format!(
                    "{}:{}: the word `{word}` is praise without content",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    violations
}
