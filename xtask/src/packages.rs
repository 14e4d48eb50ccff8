//! The packages as their users get them: each can be packaged, and builds with the oldest compiler that it
//! names and with any choice of features.

use std::{
    collections::BTreeMap,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{cargo, metadata, read, root, run as run_command, succeeds, target_dir};

/// `cargo xtask packages`: packages every crate that is published, and checks each without its default features and with its
/// `rust-version`.
pub(crate) fn run() -> Result<ExitCode> {
    let metadata = metadata()?;
    let published = published(&metadata)?;
    // The release verifies the packages: that compiles every dependency once more.
    let mut package = cargo("package --locked --no-verify --allow-dirty -q");
    package.args(published.keys().flat_map(|name| ["-p", name]));
    run_command(&mut package)?;
    let archives = target_dir()?.join("package");
    for name in published.keys() {
        let archive = archives.join(format!("{name}-{}.crate", version(&metadata, name)?));
        let files = read(Command::new("tar").arg("-tzf").arg(archive))?;
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            ensure!(
                files.lines().any(|line| line.ends_with(&format!("/{file}"))),
                "{name}: no {file} in its package"
            );
        }
    }
    check_features(&metadata, &published)?;
    println!("packages: {} crates, each with its README and licences", published.len());

    let newest = published.values().max().cloned().unwrap_or_default();
    let mut by_version: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // The newest is the one that everything else is built with.
    for (name, version) in published.iter().filter(|(_, version)| **version != newest) {
        by_version.entry(version).or_default().push(name);
    }
    for (version, names) in by_version {
        if !has_toolchain(version) {
            eprintln!(
                "\n*** NOT CHECKED with Rust {version}, which rustup cannot install here: {names:?} ***\n"
            );
            continue;
        }
        let mut check = Command::new("rustup");
        check.args(["run", version, "cargo", "check", "-q", "--lib", "--locked", "--all-features"]);
        check.args(names.iter().flat_map(|name| ["-p", name])).arg("--target-dir");
        run_command(check.arg(target_dir()?.join("msrv")).current_dir(root()))?;
        println!("Rust {version}: {}", names.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Lints every published crate without its default features, and `fb` with each feature alone: the other builds of the workspace
/// have all of them.
fn check_features(metadata: &Value, published: &BTreeMap<String, String>) -> Result<()> {
    let lint = |name: &str, feature: &str| {
        let mut lint = cargo("clippy -q --lib --locked --no-default-features");
        lint.args(["-p", name, "--features", feature, "--", "-D", "warnings"]);
        run_command(&mut lint).with_context(|| format!("{name} with the features {feature:?} alone"))
    };
    for name in published.keys() {
        lint(name, "")?;
    }
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let features =
        packages.filter(|package| package["name"] == "fb").find_map(|fb| fb["features"].as_object());
    let features = features.context("fb has no features")?;
    for feature in features.keys().filter(|feature| *feature != "default") {
        lint("fb", feature)?;
    }
    println!("features: {} crates without them, fb with each of {}", published.len(), features.len() - 1);
    Ok(())
}

/// Returns the crates that are published, with the oldest compiler that each names.
fn published(metadata: &Value) -> Result<BTreeMap<String, String>> {
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let is_published = |package: &&Value| package["publish"].as_array().is_none_or(|names| !names.is_empty());
    let of = |package: &Value, field: &str| {
        let value = package[field].as_str().map(str::to_owned);
        value.with_context(|| format!("{}: no {field}", package["name"]))
    };
    packages
        .iter()
        .filter(is_published)
        .map(|package| Ok((of(package, "name")?, of(package, "rust_version")?)))
        .collect()
}

fn version<'a>(metadata: &'a Value, name: &str) -> Result<&'a str> {
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == name);
    package.and_then(|package| package["version"].as_str()).with_context(|| format!("{name}: no version"))
}

/// Installs a toolchain if it is missing. Returns false if that is not possible on this machine.
fn has_toolchain(version: &str) -> bool {
    let is_there = || succeeds(Command::new("rustup").args(["run", version, "cargo", "--version"]));
    let install =
        || Command::new("rustup").args(["toolchain", "install", version, "--profile", "minimal"]).status();
    is_there() || (install().is_ok() && is_there())
}
