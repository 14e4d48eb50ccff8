//! Rules about crates and what they depend on.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

/// Crates that work without a runtime and without a network, and the dependencies that they may therefore not have.
const PURE: [&str; 3] = ["fb-core", "fb-breaker", "fb-wire"];
const IMPURE: [&str; 2] = ["tokio", "reqwest"];

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
}

#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// From the root of the repository.
    pub(crate) folder: String,
    pub(crate) is_published: bool,
    pub(crate) has_readme: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) is_ours: bool,
    pub(crate) is_dev: bool,
    pub(crate) is_optional: bool,
}

/// The tables in the root manifest.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Each layer and its crates.
    pub(crate) layers: BTreeMap<u32, Vec<String>>,
    /// Each fenced external crate and the crates that may depend on it.
    pub(crate) fences: BTreeMap<String, Vec<String>>,
}

impl Workspace {
    pub(crate) fn from_metadata(metadata: &Value, root: &Path) -> Result<Self> {
        let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
        let crates =
            packages.iter().map(|package| Crate::from_metadata(package, root)).collect::<Result<_>>()?;
        Ok(Self { crates })
    }
}

impl Crate {
    fn from_metadata(package: &Value, root: &Path) -> Result<Self> {
        let name = package["name"].as_str().context("a package has no name")?.to_owned();
        let manifest = package["manifest_path"].as_str().context("a package has no manifest")?;
        let folder = Path::new(manifest).parent().context("a manifest has a folder")?;
        let dependencies = package["dependencies"].as_array().context("a package has no dependencies")?;
        Ok(Self {
            name,
            folder: folder.strip_prefix(root)?.to_string_lossy().into_owned(),
            is_published: package["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
            has_readme: folder.join("README.md").is_file(),
            dependencies: dependencies.iter().map(Dependency::from_metadata).collect::<Result<_>>()?,
        })
    }

    fn normal(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| !dependency.is_dev)
    }
}

impl Dependency {
    fn from_metadata(dependency: &Value) -> Result<Self> {
        Ok(Self {
            name: dependency["name"].as_str().context("a dependency has no name")?.to_owned(),
            is_ours: dependency["path"].is_string(),
            is_dev: dependency["kind"] == "dev",
            is_optional: dependency["optional"] == true,
        })
    }
}

impl Tables {
    pub(crate) fn from_metadata(metadata: &Value) -> Result<Self> {
        let mut layers = BTreeMap::new();
        for (layer, crates) in table(metadata, "layers")? {
            layers.insert(layer.parse().with_context(|| format!("layer `{layer}` is not a number"))?, crates);
        }
        Ok(Self { layers, fences: table(metadata, "fences")? })
    }

    fn layers_of(&self, name: &str) -> Vec<u32> {
        let rows = self.layers.iter().flat_map(|(layer, crates)| crates.iter().map(move |it| (*layer, it)));
        rows.filter(|(_, it)| *it == name).map(|(layer, _)| layer).collect()
    }
}

fn table(metadata: &Value, name: &str) -> Result<BTreeMap<String, Vec<String>>> {
    serde_json::from_value(metadata["metadata"][name].clone())
        .with_context(|| format!("[workspace.metadata.{name}] is not a table of lists"))
}

/// Returns every violation.
pub(crate) fn check(workspace: &Workspace, tables: &Tables) -> Vec<String> {
    [
        layers(workspace, tables),
        directions(workspace, tables),
        xtask(workspace),
        core(workspace),
        fences(workspace, tables),
        purity(workspace),
        names(workspace),
        readmes(workspace),
    ]
    .concat()
}

/// Each crate is in exactly one layer, and the table names nothing else.
fn layers(workspace: &Workspace, tables: &Tables) -> Vec<String> {
    let mut violations = Vec::new();
    for it in workspace.crates.iter().filter(|it| it.name != "xtask") {
        let layers = tables.layers_of(&it.name);
        match layers.as_slice() {
            [] => violations.push(format!("{}: is in no layer of [workspace.metadata.layers]", it.name)),
            [_] => {}
            _ => violations.push(format!("{}: is in more than one layer: {layers:?}", it.name)),
        }
    }
    let listed = tables.layers.iter().map(|(layer, crates)| (format!("layers.{layer}"), crates));
    let fenced = tables.fences.iter().map(|(external, crates)| (format!("fences.{external}"), crates));
    for (row, crates) in listed.chain(fenced) {
        for name in crates {
            if !workspace.crates.iter().any(|it| it.name == *name) {
                violations.push(format!("[workspace.metadata] {row}: there is no crate {name}"));
            }
        }
    }
    violations
}

/// Dependencies must point strictly down.
fn directions(workspace: &Workspace, tables: &Tables) -> Vec<String> {
    let mut violations = Vec::new();
    for it in &workspace.crates {
        let [own] = tables.layers_of(&it.name)[..] else { continue };
        for dependency in it.normal().filter(|dependency| dependency.is_ours) {
            let name = &dependency.name;
            match tables.layers_of(name)[..] {
                [layer] if layer < own => {}
                [layer] => violations.push(format!(
                    "{}: is in layer {own} and depends on {name} of layer {layer}; only lower layers may be used",
                    it.name
                )),
                _ => violations.push(format!("{}: depends on {name}, which is in no layer", it.name)),
            }
        }
    }
    violations
}

/// xtask must depend on no crate of the workspace, so that it builds in seconds.
fn xtask(workspace: &Workspace) -> Vec<String> {
    let xtask = workspace.crates.iter().filter(|it| it.name == "xtask");
    let ours = xtask.flat_map(|it| it.dependencies.iter().filter(|dependency| dependency.is_ours));
    ours.map(|dependency| format!("xtask: depends on {}, a crate of the workspace", dependency.name))
        .collect()
}

/// fb-core must not use the test kit in its own tests: the test kit depends on fb-core, so its types would come from
/// another copy of the crate.
fn core(workspace: &Workspace) -> Vec<String> {
    let core = workspace.crates.iter().filter(|it| it.name == "fb-core");
    let kits = core.flat_map(|it| it.dependencies.iter().filter(|it| it.name == "fb-testkit" && it.is_dev));
    kits.map(|_| "fb-core: dev-depends on fb-testkit, which holds another copy of fb-core's types".to_owned())
        .collect()
}

/// Heavy external crates may be used only where the table allows them.
fn fences(workspace: &Workspace, tables: &Tables) -> Vec<String> {
    let mut violations = Vec::new();
    for (external, allowed) in &tables.fences {
        for it in workspace.crates.iter().filter(|it| !allowed.contains(&it.name)) {
            if it.normal().any(|dependency| dependency.name == *external) {
                let allowed = allowed.join(", ");
                violations.push(format!("{}: depends on {external}, which is fenced to {allowed}", it.name));
            }
        }
    }
    violations
}

/// The pure crates must depend on no runtime and no network; tokio must be optional in fb-retry.
fn purity(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for it in &workspace.crates {
        for dependency in it.normal() {
            let name = dependency.name.as_str();
            if PURE.contains(&it.name.as_str()) && IMPURE.contains(&name) {
                violations.push(format!("{}: depends on {name}, but must work without it", it.name));
            }
            if it.name == "fb-retry" && name == "tokio" && !dependency.is_optional {
                violations.push("fb-retry: depends on tokio, which must be optional".to_owned());
            }
        }
    }
    violations
}

/// The folder of a crate must have its name.
fn names(workspace: &Workspace) -> Vec<String> {
    let mut violations = Vec::new();
    for it in &workspace.crates {
        if let Some(folder) = it.folder.strip_prefix("crates/")
            && folder != it.name
        {
            violations.push(format!("{}: the crate in this folder is named {}", it.folder, it.name));
        }
    }
    violations
}

/// A published crate must have a README, which the registry shows on its page.
fn readmes(workspace: &Workspace) -> Vec<String> {
    let bare = workspace.crates.iter().filter(|it| it.is_published && !it.has_readme);
    bare.map(|it| format!("{}: is published and has no README.md", it.folder)).collect()
}
