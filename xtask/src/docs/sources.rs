//! All types in the workspace that derive `Deserialize`, with name resolution.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use syn::{
    Attribute, Expr, Fields, ImplItem, Item, ItemImpl, Member, Meta, Stmt, Token, Type, UseTree, Variant,
    punctuated::Punctuated,
};

use super::serde::{SerdeAttributes, metas};

/// The index of a type in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(usize);

#[derive(Default)]
pub(crate) struct Sources {
    files: Vec<File>,
    types: Vec<Definition>,
}

struct File {
    path: String,
    krate: String,
    uses: Vec<Use>,
}

/// A `use krate::…::name as alias`, public or private.
struct Use {
    krate: String,
    name: String,
    alias: String,
}

/// A type that derives `Deserialize`.
pub(crate) struct Definition {
    file: usize,
    pub(crate) name: String,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) serde: SerdeAttributes,
    pub(crate) body: Body,
    pub(crate) default: DefaultImpl,
}

pub(crate) enum Body {
    Struct(Fields),
    Enum(Vec<Variant>),
}

/// The `Default` implementation of a type.
#[derive(Debug, Default)]
pub(crate) enum DefaultImpl {
    /// Missing, or not a plain literal of the type.
    #[default]
    Unknown,
    Derived,
    /// Handwritten, with the fields that it leaves empty.
    Manual(BTreeSet<String>),
}

impl Sources {
    /// Parses files, given as their path from the root of the repository (`crates/NAME/src/...`) and their text.
    pub(crate) fn parse(files: &[(String, String)]) -> Result<Self> {
        let mut sources = Self::default();
        let mut manual_defaults = BTreeMap::new();
        for (path, text) in files {
            let file = syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?;
            let krate = path.split('/').nth(1).unwrap_or_default().replace('-', "_");
            sources.files.push(File { path: path.clone(), krate, uses: Vec::new() });
            sources.items(file.items, &mut manual_defaults).with_context(|| path.clone())?;
        }
        for definition in &mut sources.types {
            if let Some(empty) = manual_defaults.remove(&(definition.file, definition.name.clone())) {
                definition.default = DefaultImpl::Manual(empty);
            }
        }
        Ok(sources)
    }

    /// Adds the items of the last file.
    fn items(
        &mut self,
        items: Vec<Item>,
        manual_defaults: &mut BTreeMap<(usize, String), BTreeSet<String>>,
    ) -> Result<()> {
        let file = self.files.len() - 1;
        for item in items {
            match item {
                Item::Struct(it) => {
                    self.define(it.ident.to_string(), it.attrs, Body::Struct(it.fields))?;
                }
                Item::Enum(it) => {
                    let variants = it.variants.into_iter().collect();
                    self.define(it.ident.to_string(), it.attrs, Body::Enum(variants))?;
                }
                Item::Impl(it) => {
                    if let Some((name, empty)) = manual_default(&it) {
                        manual_defaults.insert((file, name), empty);
                    }
                }
                Item::Use(it) => {
                    let own = self.files[file].krate.clone();
                    imports(&it.tree, None, &own, &mut self.files[file].uses);
                }
                Item::Mod(it) if !is_for_tests(&it.attrs) => {
                    if let Some((_, items)) = it.content {
                        self.items(items, manual_defaults)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn define(&mut self, name: String, attributes: Vec<Attribute>, body: Body) -> Result<()> {
        let derived = derived(&attributes)?;
        if derived.contains("Deserialize") {
            self.types.push(Definition {
                file: self.files.len() - 1,
                name,
                serde: SerdeAttributes::parse(&attributes)?,
                attributes,
                body,
                default: if derived.contains("Default") {
                    DefaultImpl::Derived
                } else {
                    DefaultImpl::Unknown
                },
            });
        }
        Ok(())
    }

    pub(crate) fn get(&self, id: TypeId) -> &Definition {
        &self.types[id.0]
    }

    /// Returns the path of the file that defines a type.
    pub(crate) fn path(&self, id: TypeId) -> &str {
        &self.files[self.get(id).file].path
    }

    pub(crate) fn find(&self, path: &str, name: &str) -> Option<TypeId> {
        self.all(|it| it.name == name && self.files[it.file].path == path).first().copied()
    }

    /// Resolves a path such as `fb_health::RampConfig` in the file of another type. The first match wins, in this order:
    /// the same file, the imports of the file, the crate that the path begins with, the same crate, any crate. Returns
    /// several types if one of these steps is ambiguous.
    pub(crate) fn resolve(&self, path: &[String], owner: TypeId) -> Vec<TypeId> {
        let Some(name) = path.last() else { return Vec::new() };
        let file = self.get(owner).file;
        let File { krate, uses, .. } = &self.files[file];
        let imported = uses.iter().find(|it| it.alias == *name);
        let first = path.first().filter(|_| path.len() > 1);
        let nearest = [
            self.all(|it| it.name == *name && it.file == file && first.is_none()),
            imported.map(|it| self.in_crate(&it.krate, &it.name)).unwrap_or_default(),
            first.map(|first| self.in_crate(first, name)).unwrap_or_default(),
            self.in_crate(krate, name),
            self.all(|it| it.name == *name),
        ];
        nearest.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// Returns the types with this name that a crate defines or else re-exports.
    fn in_crate(&self, krate: &str, name: &str) -> Vec<TypeId> {
        let own = self.all(|it| it.name == name && self.files[it.file].krate == krate);
        if !own.is_empty() {
            return own;
        }
        let uses = self.files.iter().filter(|file| file.krate == krate).flat_map(|file| &file.uses);
        let mut others = uses.filter(|it| it.alias == name && it.krate != krate);
        // Crate dependencies have no cycles, so the recursion ends.
        others.next().map(|it| self.in_crate(&it.krate, &it.name)).unwrap_or_default()
    }

    fn all(&self, wanted: impl Fn(&Definition) -> bool) -> Vec<TypeId> {
        (0..self.types.len()).filter(|&index| wanted(&self.types[index])).map(TypeId).collect()
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let test = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    };
    attributes.iter().any(test)
}

fn derived(attributes: &[Attribute]) -> syn::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for attribute in metas(attributes)?.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let list = attribute.require_list()?;
        for path in list.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated)? {
            names.extend(path.segments.last().map(|segment| segment.ident.to_string()));
        }
    }
    Ok(names)
}

fn imports(tree: &UseTree, krate: Option<&str>, own: &str, uses: &mut Vec<Use>) {
    let mut push = |name: String, alias: String| {
        let krate = match krate {
            None | Some("crate" | "self" | "super") => own,
            Some(krate) => krate,
        };
        uses.push(Use { krate: krate.to_owned(), name, alias });
    };
    match tree {
        UseTree::Name(it) => push(it.ident.to_string(), it.ident.to_string()),
        UseTree::Rename(it) => push(it.ident.to_string(), it.rename.to_string()),
        UseTree::Path(it) => imports(&it.tree, Some(krate.unwrap_or(&it.ident.to_string())), own, uses),
        UseTree::Group(it) => it.items.iter().for_each(|tree| imports(tree, krate, own, uses)),
        UseTree::Glob(_) => {}
    }
}

/// Returns the type and the fields set to `None`, `T::new()` or `T::default()` of an `impl Default` that ends in a
/// literal of the type.
fn manual_default(it: &ItemImpl) -> Option<(String, BTreeSet<String>)> {
    let (of, _) = it.trait_.as_ref()?;
    if !of.is_ident("Default") {
        return None;
    }
    let Type::Path(own) = &*it.self_ty else { return None };
    let method = it.items.iter().find_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    })?;
    let Some(Stmt::Expr(Expr::Struct(literal), None)) = method.block.stmts.last() else { return None };
    let mut empty = BTreeSet::new();
    for field in &literal.fields {
        if let Member::Named(name) = &field.member
            && is_empty(&field.expr)
        {
            empty.insert(name.to_string());
        }
    }
    Some((own.path.get_ident()?.to_string(), empty))
}

fn is_empty(value: &Expr) -> bool {
    let last = |value: &Expr| match value {
        Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    };
    match value {
        Expr::Call(call) => {
            matches!(last(&call.func).as_deref(), Some("new" | "default")) && call.args.is_empty()
        }
        value => last(value).as_deref() == Some("None"),
    }
}
