//! Generates `docs/reference/config.md`, the reference of every config file setting, from the Rust types that
//! deserialize the file.

mod doc_comment;
mod field;
mod kind;
mod page;
mod reader;
mod serde;
mod sources;
#[cfg(test)]
mod tests;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};

use self::sources::Sources;
use crate::process::root;

const PAGE: &str = "docs/reference/config.md";
/// The file and the name of the type that a whole config file is read into.
const ROOT: (&str, &str) = ("crates/fb-gateway/src/config.rs", "File");

pub(crate) fn write() -> Result<ExitCode> {
    let page = generate()?;
    fs::write(root().join(PAGE), &page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("docs: wrote {PAGE}, {} lines", page.lines().count());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn check() -> Result<ExitCode> {
    let page = generate()?;
    // A missing page is treated as an empty, stale one.
    let written = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let Some(difference) = difference(&written, &page) else {
        println!("docs: {PAGE} is up to date");
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("docs: {PAGE}:{difference}\ndocs: the page is stale; regenerate it with `cargo xtask docs`");
    Ok(ExitCode::FAILURE)
}

fn generate() -> Result<String> {
    let mut files = Vec::new();
    list(root(), &root().join("crates"), &mut files)?;
    let sources = Sources::parse(&files)?;
    let (file, name) = ROOT;
    let Some(root) = sources.find(file, name) else { bail!("xtask docs: no type {name} in {file}") };
    page::render(&sources, root).map_err(|problems| anyhow::anyhow!("xtask docs: {}", problems.join("\n  ")))
}

/// Collects the path from the root and the text of every source file of the crates, except test modules.
fn list(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let full = entry.path();
        let path = full.strip_prefix(root)?.to_string_lossy().into_owned();
        if path.ends_with("/tests") || path.ends_with("/tests.rs") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(root, &full, files)?;
        } else if path.contains("/src/") && full.extension().is_some_and(|extension| extension == "rs") {
            files.push((path, fs::read_to_string(&full)?));
        }
    }
    Ok(())
}

/// Returns the first line that differs, as its number, the written line and the generated line.
fn difference(written: &str, page: &str) -> Option<String> {
    if written == page {
        return None;
    }
    let (mut old, mut new) = (written.lines(), page.lines());
    let mut number = 1;
    loop {
        match (old.next(), new.next()) {
            (Some(old), Some(new)) if old == new => number += 1,
            (None, None) => return Some(format!("{number}: the ends of lines differ")),
            (old, new) => {
                let line = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return Some(format!("{number}:\n- {}\n+ {}", line(old), line(new)));
            }
        }
    }
}
