//! Circles of files: files of one crate that use each other's items, directly or through others.
//!
//! A file uses another when one of its paths names an item that is defined there. A path is followed through `use`
//! declarations and re-exports to the file with the definition; a `mod` declaration alone is no use. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use syn::{
    Attribute, Item, ItemMod, ItemUse, Path as SynPath, UseTree,
    visit::{self, Visit},
};

use super::files::File;

/// More circles than this fail the check: see `docs/decisions/0007-no-file-circles.md`.
pub(crate) const ALLOWED: usize = 0;

/// The path of a module within its crate: `["engine", "race"]`.
type Name = Vec<String>;

/// The definitions and uses of one module.
#[derive(Debug, Default)]
struct Module {
    file: String,
    items: BTreeSet<String>,
    /// Names brought into scope and their full paths.
    imports: BTreeMap<String, Name>,
    globs: Vec<Name>,
    /// Paths used in the module.
    paths: Vec<Name>,
}

/// The modules of one crate.
#[derive(Debug, Default)]
struct Modules(BTreeMap<Name, Module>);

/// The files of every circle. `files` holds the text of all source files.
///
/// # Errors
///
/// A source file that is not valid Rust.
pub(crate) fn find(files: &[File]) -> Result<Vec<Vec<String>>> {
    let mut crates: BTreeMap<&str, Modules> = BTreeMap::new();
    for file in files {
        let Some((folder, inner)) = file.path.split_once("/src/") else { continue };
        let Some(inner) = inner.strip_suffix(".rs") else { continue };
        let mut name: Name = inner.split('/').map(str::to_owned).collect();
        if name.iter().any(|part| part == "tests") {
            continue;
        }
        if matches!(inner, "lib" | "main") {
            name.clear();
        }
        let parsed = syn::parse_file(&file.text).with_context(|| format!("cannot parse {}", file.path))?;
        crates.entry(folder).or_default().add(&name, &file.path, &parsed.items);
    }
    Ok(crates.values().flat_map(|modules| circles(&modules.uses())).collect())
}

impl Modules {
    fn add(&mut self, name: &Name, file: &str, items: &[Item]) {
        let mut reader = Reader { module: Module { file: file.to_owned(), ..Module::default() } };
        let mut inline = Vec::new();
        for item in items {
            match item {
                Item::Mod(ItemMod { attrs, ident, content, .. }) if !is_test(attrs) => {
                    if let Some((_, items)) = content {
                        inline.push((ident.to_string(), items));
                    }
                }
                Item::Mod(_) => {}
                item => reader.visit_item(item),
            }
        }
        // A library and a binary in one crate share the root.
        let module = self.0.entry(name.clone()).or_default();
        module.file.clone_from(&reader.module.file);
        module.items.append(&mut reader.module.items);
        module.imports.append(&mut reader.module.imports);
        module.globs.append(&mut reader.module.globs);
        module.paths.append(&mut reader.module.paths);
        for (ident, items) in inline {
            self.add(&[name.as_slice(), &[ident]].concat(), file, items);
        }
    }

    /// The files that each file uses.
    fn uses(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, module) in &self.0 {
            let used = uses.entry(&module.file).or_default();
            for path in module.paths.iter().chain(module.imports.values()) {
                used.extend(self.definition(name, path, 0).filter(|file| *file != module.file));
            }
        }
        uses
    }

    /// The file that defines the item of a path used in a module; `None` for items of other crates.
    fn definition(&self, from: &Name, path: &[String], depth: usize) -> Option<&str> {
        // Re-exports may form a circle of their own.
        if depth > 16 {
            return None;
        }
        let mut at = from.clone();
        let mut rest = path;
        let (first, after) = rest.split_first()?;
        match first.as_str() {
            "crate" => (at, rest) = (Vec::new(), after),
            "self" => rest = after,
            "super" => {}
            first => {
                let module = self.0.get(from)?;
                let is_here = self.0.contains_key(&child(from, first))
                    || module.items.contains(first)
                    || module.imports.contains_key(first)
                    || !module.globs.is_empty();
                if !is_here {
                    return None;
                }
            }
        }
        while let Some((first, after)) = rest.split_first() {
            if first == "super" {
                at.pop()?;
            } else if self.0.contains_key(&child(&at, first)) {
                at = child(&at, first);
            } else {
                let module = self.0.get(&at)?;
                if module.items.contains(first) {
                    return Some(&module.file);
                }
                if let Some(import) = module.imports.get(first) {
                    let path = [import.as_slice(), after].concat();
                    return self.definition(&at, &path, depth + 1);
                }
                let path = |glob: &Name| [glob.as_slice(), rest].concat();
                return module.globs.iter().find_map(|glob| self.definition(&at, &path(glob), depth + 1));
            }
            rest = after;
        }
        None
    }
}

fn child(module: &[String], name: &str) -> Name {
    [module, &[name.to_owned()]].concat()
}

/// Collects the definitions and uses of a module.
struct Reader {
    module: Module,
}

impl Reader {
    fn import(&mut self, tree: &UseTree, mut path: Name) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.import(&tree.tree, path);
            }
            UseTree::Name(tree) if tree.ident == "self" => {
                if let Some(name) = path.last() {
                    self.module.imports.insert(name.clone(), path);
                }
            }
            UseTree::Name(tree) => {
                let name = tree.ident.to_string();
                self.module.imports.insert(name.clone(), child(&path, &name));
            }
            UseTree::Rename(tree) => {
                let path = child(&path, &tree.ident.to_string());
                self.module.imports.insert(tree.rename.to_string(), path);
            }
            UseTree::Glob(_) => self.module.globs.push(path),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path.clone());
                }
            }
        }
    }

    fn define(&mut self, ident: &syn::Ident) {
        self.module.items.insert(ident.to_string());
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).is_some_and(is_test) {
            return;
        }
        match item {
            Item::Const(item) => self.define(&item.ident),
            Item::Enum(item) => self.define(&item.ident),
            Item::Fn(item) => self.define(&item.sig.ident),
            Item::Static(item) => self.define(&item.ident),
            Item::Struct(item) => self.define(&item.ident),
            Item::Trait(item) => self.define(&item.ident),
            Item::TraitAlias(item) => self.define(&item.ident),
            Item::Type(item) => self.define(&item.ident),
            Item::Union(item) => self.define(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast SynPath) {
        if path.leading_colon.is_none() {
            self.module.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }
}

fn attributes(item: &Item) -> Option<&[Attribute]> {
    Some(match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return None,
    })
}

/// Returns true if an item is compiled for tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

/// The groups of more than one file that reach each other.
fn circles(uses: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (*file, reach(uses, file))).collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (file, others) in &reached {
        let is_mutual = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
        let circle: Vec<String> = others.iter().filter(is_mutual).map(|it| (*it).to_owned()).collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

/// Every file that a file uses, directly or through others.
fn reach<'a>(uses: &BTreeMap<&'a str, BTreeSet<&'a str>>, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = uses.get(file).into_iter().flatten().copied().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(uses.get(next).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File { path: format!("crates/fb/src/{path}"), text: (*text).to_owned() })
            .collect();
        find(&files).unwrap()
    }

    #[test]
    fn files_that_use_each_other_are_a_circle() {
        let found = circles_of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B; fn f(_: super::a::A) {}"),
        ]);
        assert_eq!(found, [["crates/fb/src/a.rs", "crates/fb/src/b.rs"]]);
    }

    #[test]
    fn circle_through_a_third_file_and_a_re_export_is_found() {
        let found = circles_of(&[
            ("lib.rs", "mod a; mod b; mod c; pub use a::A;"),
            ("a.rs", "use super::b; pub struct A(b::B);"),
            ("b.rs", "pub struct B(crate::c::C);"),
            ("c.rs", "use crate::*; pub struct C(Box<A>);"),
        ]);
        assert_eq!(found, [["crates/fb/src/a.rs", "crates/fb/src/b.rs", "crates/fb/src/c.rs"]]);
    }

    #[test]
    fn child_that_uses_its_parent_is_a_circle_only_when_it_is_used() {
        let parent = ("a.rs", "mod b; pub struct A;");
        let child = ("a/b.rs", "use super::A; pub struct B(A);");
        assert_eq!(circles_of(&[parent, child]), [[""; 0]; 0]);
        let parent = ("a.rs", "mod b; pub struct A; fn f(_: b::B) {}");
        assert_eq!(circles_of(&[parent, child]), [["crates/fb/src/a.rs", "crates/fb/src/a/b.rs"]]);
    }

    #[test]
    fn tests_and_other_crates_do_not_count() {
        let found = circles_of(&[
            ("a.rs", "use std::sync::b::B; pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
            ("b.rs", "pub struct B(crate::a::A);"),
            ("b/tests.rs", "use crate::b::B;"),
        ]);
        assert_eq!(found, [[""; 0]; 0]);
    }
}
