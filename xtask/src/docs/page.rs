//! The page: one section per table, below the section of its parent table.

use std::collections::{BTreeMap, VecDeque, btree_map::Entry};

use super::{
    doc_comment,
    field::{Field, SchemaReader},
    sources::{Sources, TypeId},
};

pub(crate) const HEAD: &str = "\
# Every setting of the config file

This page is generated from the source code by `cargo xtask docs`; do not edit it. For a complete example, see
[the guide](../guide/config.md). For the reasons behind the defaults, see [defaults.md](defaults.md).

Replace `NAME` with a name of your choice. Every table can also be written inline: `[breaker.open]` is the same as
`open = { … }` in `[breaker]`. A duration is a string such as `\"500ms\"`, `\"30s\"` or `\"5m\"`. A **required** setting has no
default. For a table without a default, the defaults of its own settings apply.";

/// The position of a table in the config file.
#[derive(Debug, Clone, PartialEq)]
struct TablePath {
    path: String,
    is_list: bool,
}

impl TablePath {
    fn heading(&self) -> String {
        let Self { path, is_list } = self;
        if *is_list { format!("[[{path}]]") } else { format!("[{path}]") }
    }

    /// Returns a link to the section; the anchor follows GitHub's rules for headings.
    fn link(&self) -> String {
        let anchor: String = self.path.to_lowercase().chars().filter(|it| *it != '.').collect();
        format!("[`{}`](#{anchor})", self.heading())
    }

    /// Returns the table in a field's value, with its path.
    fn child(&self, field: &Field) -> Option<(TypeId, Self)> {
        let (id, at, is_list) = field.kind.table()?;
        let path = format!("{}.{}{at}", self.path, field.names[0]);
        Some((id, Self { path: path.trim_start_matches('.').to_owned(), is_list }))
    }
}

/// Renders the page of a root type.
///
/// # Errors
///
/// Every type or attribute that is not supported.
pub(crate) fn render(sources: &Sources, root: TypeId) -> Result<String, Vec<String>> {
    let mut reader = SchemaReader { sources, problems: Vec::new() };
    let top = TablePath { path: String::new(), is_list: false };
    let mut page =
        Page { sources, fields: BTreeMap::new(), table_paths: BTreeMap::from([(root, top.clone())]) };
    // Breadth first, so that a type of several tables is described at its shallowest position.
    let mut waiting = VecDeque::from([(root, top.clone())]);
    while let Some((id, path)) = waiting.pop_front() {
        let fields = reader.fields(id);
        for (id, path) in fields.iter().filter_map(|field| path.child(field)) {
            if let Entry::Vacant(vacant) = page.table_paths.entry(id) {
                vacant.insert(path.clone());
                waiting.push_back((id, path));
            }
        }
        page.fields.insert(id, fields);
    }
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let mut lines = vec![HEAD.to_owned()];
    page.section(root, &top, 1, &mut lines);
    Ok(lines.join("\n") + "\n")
}

struct Page<'a> {
    sources: &'a Sources,
    fields: BTreeMap<TypeId, Vec<Field>>,
    table_paths: BTreeMap<TypeId, TablePath>,
}

impl Page<'_> {
    fn section(&self, id: TypeId, path: &TablePath, level: usize, lines: &mut Vec<String>) {
        if level > 1 {
            let meaning = doc_comment::first_paragraph(&self.sources.get(id).attributes);
            let marks = "#".repeat(level.min(3));
            lines.push(format!("\n{marks} `{}`\n\n{meaning}", path.heading()));
        }
        let fields = self.fields.get(&id).map(Vec::as_slice).unwrap_or_default();
        lines.push("\n| field | type | default | meaning |\n|---|---|---|---|".to_owned());
        lines.extend(fields.iter().map(|field| self.row(field)));
        for field in fields {
            choices(field, lines);
        }
        for (id, at) in fields.iter().filter_map(|field| path.child(field)) {
            if self.table_paths.get(&id) == Some(&at) {
                self.section(id, &at, level + 1, lines);
            }
        }
    }

    fn row(&self, field: &Field) -> String {
        let names: Vec<String> = field.names.iter().map(|name| format!("`{name}`")).collect();
        let link = |id| self.table_paths.get(&id).map(TablePath::link).unwrap_or_default();
        let default = if field.is_required { "**required**" } else { &field.default };
        let cells = [&names.join(" or "), &field.kind.describe(&link), default, &field.meaning];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        format!("| {} |", cells.join(" | "))
    }
}

/// Renders the meaning of each word that a setting allows, if the words are documented.
fn choices(field: &Field, lines: &mut Vec<String>) {
    let Some(choices) = field.kind.choices() else { return };
    let documented: Vec<_> = choices.words.iter().filter(|choice| !choice.meaning.is_empty()).collect();
    if documented.is_empty() {
        return;
    }
    let about = if choices.about == field.meaning { "" } else { &choices.about };
    lines.push(format!("\n`{}`: {about}", field.names[0]).trim_end().to_owned() + "\n");
    lines.extend(documented.iter().map(|choice| format!("- `\"{}\"`: {}", choice.word, choice.meaning)));
}
