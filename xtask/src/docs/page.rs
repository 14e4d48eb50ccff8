//! The page: a section for every table, below the table it is in.

use std::collections::{BTreeMap, VecDeque, btree_map::Entry};

use super::{
    field::{Field, Reader},
    prose,
    sources::{Sources, TypeId},
};

pub(crate) const HEAD: &str = "\
# Every setting of the config file

Written by `cargo xtask docs` from the types that read the file; do not edit it. An example with all of it is in
[the guide](../guide/config.md), the reasons for the defaults are in [defaults.md](defaults.md).

`NAME` is a name of your choice. Every table may be written inline: `[breaker.open]` is also `open = { … }` in `[breaker]`.
A duration is a string such as `\"500ms\"`, `\"30s\"`, `\"5m\"`. A setting that is **required** has no default.";

/// Where a table is.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    path: String,
    is_list: bool,
}

impl Place {
    fn heading(&self) -> String {
        let Self { path, is_list } = self;
        if *is_list { format!("[[{path}]]") } else { format!("[{path}]") }
    }

    /// As GitHub makes it from the heading.
    fn link(&self) -> String {
        let anchor: String = self.path.to_lowercase().chars().filter(|it| *it != '.').collect();
        format!("[`{}`](#{anchor})", self.heading())
    }

    /// Where a field's table is.
    fn of(&self, field: &Field) -> Option<(TypeId, Self)> {
        let (id, at, is_list) = field.kind.table()?;
        let path = format!("{}.{}{at}", self.path, field.names[0]);
        Some((id, Self { path: path.trim_start_matches('.').to_owned(), is_list }))
    }
}

/// The page of a root type, or everything that is not understood.
pub(crate) fn print(sources: &Sources, root: TypeId) -> Result<String, Vec<String>> {
    let mut reader = Reader { sources, problems: Vec::new() };
    let top = Place { path: String::new(), is_list: false };
    let mut page = Page { sources, fields: BTreeMap::new(), places: BTreeMap::from([(root, top.clone())]) };
    // The widest first, so that a type of several tables is described where it is least deep.
    let mut waiting = VecDeque::from([(root, top.clone())]);
    while let Some((id, place)) = waiting.pop_front() {
        let fields = reader.fields(id);
        for (id, place) in fields.iter().filter_map(|field| place.of(field)) {
            if let Entry::Vacant(unknown) = page.places.entry(id) {
                unknown.insert(place.clone());
                waiting.push_back((id, place));
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
    places: BTreeMap<TypeId, Place>,
}

impl Page<'_> {
    fn section(&self, id: TypeId, place: &Place, level: usize, lines: &mut Vec<String>) {
        if level > 1 {
            let meaning = prose::first_paragraph(&self.sources.get(id).attributes);
            let marks = "#".repeat(level.min(3));
            lines.push(format!("\n{marks} `{}`\n\n{meaning}", place.heading()));
        }
        let fields = self.fields.get(&id).map(Vec::as_slice).unwrap_or_default();
        lines.push("\n| field | type | default | meaning |\n|---|---|---|---|".to_owned());
        lines.extend(fields.iter().map(|field| self.row(field)));
        for field in fields {
            choices(field, lines);
        }
        for (id, at) in fields.iter().filter_map(|field| place.of(field)) {
            if self.places.get(&id) == Some(&at) {
                self.section(id, &at, level + 1, lines);
            }
        }
    }

    fn row(&self, field: &Field) -> String {
        let names: Vec<String> = field.names.iter().map(|name| format!("`{name}`")).collect();
        let link = |id| self.places.get(&id).map(Place::link).unwrap_or_default();
        let default = if field.is_required { "**required**" } else { &field.default };
        let cells = [&names.join(" or "), &field.kind.cell(&link), default, &field.meaning];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        format!("| {} |", cells.join(" | "))
    }
}

/// What the words of a field mean, if its type says so.
fn choices(field: &Field, lines: &mut Vec<String>) {
    let Some(choices) = field.kind.choices() else { return };
    let said: Vec<_> = choices.words.iter().filter(|choice| !choice.meaning.is_empty()).collect();
    if said.is_empty() {
        return;
    }
    let about = if choices.about == field.meaning { "" } else { &choices.about };
    lines.push(format!("\n`{}`: {about}", field.names[0]).trim_end().to_owned() + "\n");
    lines.extend(said.iter().map(|choice| format!("- `\"{}\"`: {}", choice.word, choice.meaning)));
}
