//! Rules that the compiler does not check: layers, fences, file circles, names and words of the repository.

mod circles;
mod crates;
mod files;
#[cfg(test)]
mod tests;

use std::{fs, path::Path, process::ExitCode};

use anyhow::Result;

use self::{
    crates::{Tables, Workspace},
    files::File,
};
use crate::process::{metadata, root};

pub(crate) fn run() -> Result<ExitCode> {
    let metadata = metadata()?;
    let workspace = Workspace::from_metadata(&metadata, root())?;
    let tables = Tables::from_metadata(&metadata)?;
    let mut files = Vec::new();
    list(root(), root(), &mut files)?;

    let mut violations = crates::check(&workspace, &tables);
    violations.extend(files::check(&files));
    let circles = circles::find(&files)?;
    for circle in &circles {
        println!("tidy: files in a circle: {}", circle.join(", "));
    }
    if circles.len() > circles::ALLOWED {
        let (count, allowed) = (circles.len(), circles::ALLOWED);
        violations.push(format!("{count} circles of files within a crate; at most {allowed} are allowed"));
    }
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    if violations.is_empty() {
        println!(
            "tidy: {} crates and {} files are in order, {} circles of files",
            workspace.crates.len(),
            files.len(),
            circles.len()
        );
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} violations", violations.len());
    Ok(ExitCode::FAILURE)
}

/// All files but those of git and of the build, with the text of Markdown and Rust.
fn list(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let full = entry.path();
        let path = full.strip_prefix(root)?.to_string_lossy().into_owned();
        if path == ".git" || path == "target" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(root, &full, files)?;
        } else {
            let is_read = kind.is_file() && (files::is_prose(&full) || files::is_rust(&full));
            let bytes = if is_read { fs::read(&full)? } else { Vec::new() };
            files.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
    Ok(())
}
