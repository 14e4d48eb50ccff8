//! The fields of a table, as serde reads them.

use syn::{Attribute, Fields, Type, Variant};

use super::{
    kind::{self, Kind},
    prose,
    serde::{Serde, renamed},
    sources::{Body, DefaultImpl, Sources, TypeId},
};

const NO_DEFAULT: &str = "its doc comment says no default, as in \"…; 30 s.\" or \"Default 30 s.\"";

/// One setting of a table.
#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    /// Its name, and others it may be written by.
    pub(crate) names: Vec<String>,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    pub(crate) default: String,
    pub(crate) meaning: String,
}

/// Reads types, and notes what it does not understand.
pub(crate) struct Reader<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) problems: Vec<String>,
}

/// A field as it is declared.
struct Declared<'a> {
    name: String,
    attributes: &'a [Attribute],
    of: &'a Type,
}

impl<'a> Reader<'a> {
    /// The settings of a table.
    pub(crate) fn fields(&mut self, of: TypeId) -> Vec<Field> {
        let definition = self.sources.get(of);
        match &definition.body {
            Body::Struct(fields) => self.of_struct(fields, &definition.serde, of),
            Body::Enum(variants) => self.of_enum(variants, &definition.serde, of),
        }
    }

    fn of_struct(&mut self, fields: &'a Fields, container: &Serde, of: TypeId) -> Vec<Field> {
        let mut found = Vec::new();
        for field in fields {
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            let name = name.trim_start_matches("r#").to_owned();
            let declared = Declared { name, attributes: &field.attrs, of: &field.ty };
            found.extend(self.declared(&declared, container, of));
        }
        found
    }

    /// A tagged enum is a table with its tag and the fields of all variants; any other one has a field for each variant
    /// that holds something.
    fn of_enum(&mut self, variants: &'a [Variant], container: &Serde, of: TypeId) -> Vec<Field> {
        let mut found = Vec::new();
        let tag = container.value("tag");
        if let Some(tag) = tag {
            found.push(Field {
                names: vec![tag.to_owned()],
                kind: Kind::OneOf(self.choices(variants, of)),
                is_required: true,
                default: String::new(),
                meaning: String::new(),
            });
        }
        for variant in variants {
            let Some(word) = self.word(variant, of) else { continue };
            match tag {
                Some(tag) => {
                    let mut fields = match &variant.fields {
                        Fields::Unnamed(inner) if inner.unnamed.len() == 1 => {
                            let kind = self.kind(&inner.unnamed[0].ty, of, tag);
                            kind.table().map(|(id, ..)| self.fields(id)).unwrap_or_default()
                        }
                        fields => self.of_struct(fields, &Serde::default(), of),
                    };
                    for field in &mut fields {
                        field.meaning = format!("With `{tag} = \"{word}\"`. {}", field.meaning);
                    }
                    found.extend(fields);
                }
                None if matches!(variant.fields, Fields::Unit) => {}
                None => found.push(Field {
                    names: vec![word.clone()],
                    kind: self.held(&variant.fields, of, &word),
                    is_required: false,
                    default: "none".to_owned(),
                    meaning: prose::first_paragraph(&variant.attrs),
                }),
            }
        }
        found
    }

    /// What a user writes for what a variant holds.
    pub(crate) fn held(&mut self, fields: &'a Fields, of: TypeId, name: &str) -> Kind {
        match fields {
            Fields::Unnamed(inner) if inner.unnamed.len() == 1 => self.kind(&inner.unnamed[0].ty, of, name),
            fields => {
                let fields = self.of_struct(fields, &Serde::default(), of);
                let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.names[0])).collect();
                Kind::Words(format!("table of {}", names.join(", ")))
            }
        }
    }

    /// A declared field: none when it is skipped, several when it is flattened.
    fn declared(&mut self, field: &Declared<'a>, container: &Serde, of: TypeId) -> Vec<Field> {
        let serde = match Serde::of(field.attributes) {
            Ok(serde) => serde,
            Err(error) => {
                self.note(of, &field.name, &error.to_string());
                return Vec::new();
            }
        };
        if serde.is_skipped() {
            return Vec::new();
        }
        let (inner, is_option) = kind::without_option(field.of);
        let reader = serde.reader();
        let kind = match reader.map_or(Ok(None), kind::of_reader) {
            Ok(Some(kind)) => kind,
            Ok(None) => match self.kind(inner, of, &field.name) {
                Kind::Unknown => return Vec::new(),
                kind => kind,
            },
            Err(()) => {
                let reader = reader.unwrap_or_default();
                self.note(of, &field.name, &format!("the function {reader} is not known"));
                return Vec::new();
            }
        };
        if serde.has("flatten") {
            return self.flattened(kind, field);
        }

        let own = serde.value("rename").map(str::to_owned);
        let Some(name) = own.or_else(|| renamed(&field.name, container.value("rename_all"))) else {
            self.note(of, &field.name, "the rule of rename_all is not known");
            return Vec::new();
        };
        let aliases = serde.values("alias").map(str::to_owned);
        let names: Vec<String> = std::iter::once(name).chain(aliases).collect();
        let said = prose::said(&prose::first_paragraph(field.attributes), |words| kind.value(words));
        let is_optional = serde.has("default") || container.has("default") || (is_option && reader.is_none());
        let is_required = said.is_required || !is_optional;
        let empty = match &self.sources.get(of).default {
            _ if !container.has("default") => serde.value("default").is_none(),
            DefaultImpl::Derived => true,
            DefaultImpl::ByHand(empty) => empty.contains(&field.name),
            DefaultImpl::Unknown => false,
        };
        let default = match said.default {
            _ if is_required => String::new(),
            Some(default) => default,
            None if is_option && empty => "none".to_owned(),
            None => {
                let is_told = empty || matches!(kind, Kind::Table(_));
                kind.empty().filter(|_| is_told).unwrap_or_else(|| {
                    self.note(of, &field.name, NO_DEFAULT);
                    String::new()
                })
            }
        };
        let mut meaning = said.meaning;
        if let (true, Some((table, ..))) = (meaning.is_empty(), kind.table()) {
            meaning = prose::first_paragraph(&self.sources.get(table).attributes);
        }
        vec![Field { names, kind, is_required, default, meaning }]
    }

    fn flattened(&mut self, kind: Kind, field: &Declared<'a>) -> Vec<Field> {
        match kind {
            Kind::Table(id) => self.fields(id),
            Kind::Map(kind) => vec![Field {
                names: vec!["NAME".to_owned()],
                kind: *kind,
                is_required: false,
                default: "none".to_owned(),
                meaning: prose::first_paragraph(field.attributes),
            }],
            _ => Vec::new(),
        }
    }

    pub(crate) fn unknown(&mut self, name: &str, of: TypeId, field: &str) -> Kind {
        let path = self.sources.path(of);
        self.problems.push(format!("type {name} of field {field} in {path} is not known"));
        Kind::Unknown
    }

    pub(crate) fn note(&mut self, of: TypeId, field: &str, problem: &str) {
        let (name, path) = (&self.sources.get(of).name, self.sources.path(of));
        self.problems.push(format!("field {field} of {name} in {path}: {problem}"));
    }
}
