//! The shared libraries that the prebuilt `llama-server` needs from the system.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{apt, process::read};

/// Installs the missing libraries. The server loads some of its own libraries at run time, so all of them are checked.
pub(crate) fn install_missing(server: &Path, folder: &Path) -> Result<()> {
    let missing = missing(server, folder)?;
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages = Vec::new();
    for library in &missing {
        match package_of(library) {
            Some(package) => packages.push(package),
            None => bail!("llama-server needs {library}, and no Debian package is listed for it"),
        }
    }
    apt::install(&packages, &format!("llama-server lacks {}", missing.join(", ")))?;
    let missing = self::missing(server, folder)?;
    if !missing.is_empty() {
        bail!("llama-server still lacks {}", missing.join(", "));
    }
    Ok(())
}

fn missing(server: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut ldd = Command::new("ldd");
    ldd.env("LD_LIBRARY_PATH", folder).env("LC_ALL", "C").arg(server);
    for file in fs::read_dir(folder)? {
        let file = file?.path();
        if file.file_name().is_some_and(|name| name.to_string_lossy().contains(".so")) {
            ldd.arg(file);
        }
    }
    Ok(not_found(&read(&mut ldd)?))
}

/// The libraries that `ldd` could not find, each once.
fn not_found(ldd: &str) -> Vec<String> {
    let lines = ldd.lines().filter_map(|line| line.trim().strip_suffix(" => not found"));
    let mut libraries: Vec<String> = lines.map(str::to_owned).collect();
    libraries.sort();
    libraries.dedup();
    libraries
}

/// The Debian package of a library.
fn package_of(library: &str) -> Option<&'static str> {
    let packages = [
        ("libgomp.so.1", "libgomp1"),
        ("libvulkan.so.1", "libvulkan1"),
        ("libssl.so.3", "libssl3"),
        ("libcrypto.so.3", "libssl3"),
        ("libcurl.so.4", "libcurl4"),
        ("libstdc++.so.6", "libstdc++6"),
    ];
    packages.into_iter().find_map(|(name, package)| (name == library).then_some(package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_libraries_are_named_once() {
        let ldd =
            "\tlibgomp.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tlibgomp.so.1 => not found\n";
        assert_eq!(not_found(ldd), ["libgomp.so.1"]);
        assert_eq!(package_of("libgomp.so.1"), Some("libgomp1"));
        assert_eq!(package_of("libunknown.so.9"), None);
    }
}
