use std::path::Path;

use serde_json::{Value, json};

use super::{
    crates::{self, Crate, Dependency, Tables, Workspace},
    files::{self, File},
};

/// `fb-core` and `fb-retry` in layer 0, `fb-wire` in layer 1, `fb-providers` in layer 2, which alone may use reqwest.
fn tables() -> Tables {
    tables_of(&json!({"0": ["fb-core", "fb-retry"], "1": ["fb-wire"], "2": ["fb-providers"]}))
}

fn tables_of(layers: &Value) -> Tables {
    let fences = json!({"reqwest": ["fb-providers"]});
    Tables::from_metadata(&json!({"metadata": {"layers": layers, "fences": fences}})).unwrap()
}

/// A valid workspace of the crates in [`tables`] and xtask, to which the tests add violations.
fn workspace() -> Workspace {
    let mut crates = Vec::new();
    for name in ["fb-core", "fb-retry", "fb-wire", "fb-providers"] {
        crates.push(Crate {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            is_published: true,
            has_readme: true,
            dependencies: Vec::new(),
        });
    }
    crates.push(Crate {
        name: "xtask".to_owned(),
        folder: "xtask".to_owned(),
        is_published: false,
        has_readme: false,
        dependencies: Vec::new(),
    });
    Workspace { crates }
}

impl Workspace {
    fn get(&mut self, name: &str) -> &mut Crate {
        self.crates.iter_mut().find(|it| it.name == name).unwrap()
    }

    fn with(mut self, name: &str, dependency: Dependency) -> Self {
        self.get(name).dependencies.push(dependency);
        self
    }
}

fn on(name: &str) -> Dependency {
    Dependency { name: name.to_owned(), is_ours: name.starts_with("fb-"), is_dev: false, is_optional: false }
}

fn dev(name: &str) -> Dependency {
    Dependency { is_dev: true, ..on(name) }
}

#[track_caller]
fn assert_violations(workspace: &Workspace, violations: &[&str]) {
    assert_eq!(crates::check(workspace, &tables()), violations);
}

#[test]
fn orderly_workspace_has_no_violations() {
    let workspace = workspace()
        .with("fb-wire", on("fb-core"))
        .with("fb-providers", on("fb-wire"))
        .with("fb-providers", on("reqwest"))
        .with("fb-retry", Dependency { is_optional: true, ..on("tokio") });
    assert_violations(&workspace, &[]);
}

#[test]
fn dependency_on_a_higher_layer_is_reported() {
    let violation =
        "fb-wire: is in layer 1 and depends on fb-providers of layer 2; only lower layers may be used";
    assert_violations(&workspace().with("fb-wire", on("fb-providers")), &[violation]);
}

#[test]
fn dependency_within_a_layer_is_reported() {
    let violation =
        "fb-core: is in layer 0 and depends on fb-retry of layer 0; only lower layers may be used";
    assert_violations(&workspace().with("fb-core", on("fb-retry")), &[violation]);
}

#[test]
fn dependency_outside_of_the_layers_is_reported() {
    assert_violations(
        &workspace().with("fb-wire", on("fb-other")),
        &["fb-wire: depends on fb-other, which is in no layer"],
    );
}

#[test]
fn development_dependencies_are_unrestricted() {
    assert_violations(&workspace().with("fb-core", dev("fb-wire")).with("fb-core", dev("tokio")), &[]);
    assert_violations(&workspace().with("fb-wire", dev("reqwest")), &[]);
}

#[test]
fn test_kit_as_dependency_of_core_is_reported() {
    let violation = "fb-core: dev-depends on fb-testkit, which holds another copy of fb-core's types";
    assert_violations(&workspace().with("fb-core", dev("fb-testkit")), &[violation]);
}

#[test]
fn workspace_crate_as_dependency_of_xtask_is_reported() {
    assert_violations(
        &workspace().with("xtask", on("fb-core")),
        &["xtask: depends on fb-core, a crate of the workspace"],
    );
    assert_violations(
        &workspace().with("xtask", dev("fb-core")),
        &["xtask: depends on fb-core, a crate of the workspace"],
    );
}

#[test]
fn crate_in_no_layer_or_in_two_is_reported() {
    let layers = json!({"0": ["fb-core", "fb-retry"], "1": ["fb-core"], "2": ["fb-providers"]});
    let violations = crates::check(&workspace(), &tables_of(&layers));
    let expected = [
        "fb-core: is in more than one layer: [0, 1]",
        "fb-wire: is in no layer of [workspace.metadata.layers]",
    ];
    assert_eq!(violations, expected);
}

#[test]
fn unknown_crate_in_a_table_is_reported() {
    let mut workspace = workspace();
    workspace.crates.retain(|it| it.name != "fb-providers");
    let violations = [
        "[workspace.metadata] layers.2: there is no crate fb-providers",
        "[workspace.metadata] fences.reqwest: there is no crate fb-providers",
    ];
    assert_violations(&workspace, &violations);
}

#[test]
fn fenced_dependency_outside_its_fence_is_reported() {
    let violation = "fb-retry: depends on reqwest, which is fenced to fb-providers";
    assert_violations(&workspace().with("fb-retry", on("reqwest")), &[violation]);
}

#[test]
fn runtime_dependency_of_a_pure_crate_is_reported() {
    let violations = [
        "fb-core: depends on tokio, but must work without it",
        "fb-wire: depends on tokio, but must work without it",
    ];
    assert_violations(&workspace().with("fb-core", on("tokio")).with("fb-wire", on("tokio")), &violations);
    let violations = [
        "fb-wire: depends on reqwest, which is fenced to fb-providers",
        "fb-wire: depends on reqwest, but must work without it",
    ];
    assert_violations(&workspace().with("fb-wire", on("reqwest")), &violations);
}

#[test]
fn mandatory_tokio_in_retry_is_reported() {
    assert_violations(
        &workspace().with("fb-retry", on("tokio")),
        &["fb-retry: depends on tokio, which must be optional"],
    );
}

#[test]
fn crate_folder_with_another_name_is_reported() {
    let mut workspace = workspace();
    workspace.get("fb-wire").folder = "crates/wire".to_owned();
    assert_violations(&workspace, &["crates/wire: the crate in this folder is named fb-wire"]);
}

#[test]
fn published_crate_without_readme_is_reported() {
    let mut workspace = workspace();
    workspace.get("fb-wire").has_readme = false;
    assert_violations(&workspace, &["crates/fb-wire: is published and has no README.md"]);
}

#[test]
fn metadata_is_read() {
    let metadata = json!({"packages": [{
        "name": "fb-core",
        "manifest_path": "/root-of-nothing/crates/fb-core/Cargo.toml",
        "publish": [],
        "dependencies": [
            {"name": "tokio", "kind": "dev", "optional": false},
            {"name": "fb-retry", "kind": null, "optional": true, "path": "/root-of-nothing/crates/fb-retry"},
        ],
    }]});
    let workspace = Workspace::from_metadata(&metadata, Path::new("/root-of-nothing")).unwrap();
    let [core] = workspace.crates.as_slice() else { panic!("{workspace:?}") };
    assert_eq!((core.folder.as_str(), core.is_published, core.has_readme), ("crates/fb-core", false, false));
    let [tokio, retry] = core.dependencies.as_slice() else { panic!("{core:?}") };
    assert_eq!((tokio.is_dev, tokio.is_ours, tokio.is_optional), (true, false, false));
    assert_eq!((retry.is_dev, retry.is_ours, retry.is_optional), (false, true, true));
}

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn orderly_files_have_no_violations() {
    let paths =
        [".ci/run", ".gitignore", "Cargo.toml", "crates/fb/src/lib.rs", "docs/why.md", "tests/it/main.rs"];
    let files: Vec<File> = paths.into_iter().map(|path| file(path, "Quick and small.")).collect();
    assert_eq!(files::check(&files), [""; 0]);
}

#[test]
fn stray_entry_at_the_top_level_is_reported_once() {
    let files = [file("notes/a.txt", ""), file("notes/b.txt", ""), file("todo.txt", "")];
    let expected = [
        "notes: does not belong at the top level of the repository",
        "todo.txt: does not belong at the top level of the repository",
    ];
    assert_eq!(files::check(&files), expected);
}

#[test]
fn file_names_without_meaning_are_reported() {
    let files = [
        file("crates/fb/src/a/mod.rs", ""),
        file("crates/fb/src/utils.rs", ""),
        file("tests/it/common.rs", ""),
    ];
    let expected = [
        "crates/fb/src/a/mod.rs: a module's file is named after the module, not mod.rs",
        "crates/fb/src/utils.rs: name the file after what is inside",
        "tests/it/common.rs: name the file after what is inside",
    ];
    assert_eq!(files::check(&files), expected);
}

#[test]
fn praise_is_reported_with_its_line_in_markdown_only() {
    let text = "# fb\n\nA Robust layer, blazing fast.\n";
    let expected = [
        "README.md:3: the word `blazing` is praise without content",
        "README.md:3: the word `robust` is praise without content",
    ];
    assert_eq!(files::check(&[file("README.md", text), file("docs/table.txt", text)]), expected);
}
