//! The settings of a table, derived from the fields that serde deserializes.

use syn::{Attribute, Fields, Type, Variant};

use super::{
    doc_comment,
    kind::{self, Kind},
    serde::{SerdeAttributes, renamed},
    sources::{Body, DefaultImpl, Sources, TypeId},
};

const NO_DEFAULT: &str = "its doc comment states no default, as in \"Defaults to 30 s.\"";

const RUST_NONE: &str =
    "its doc comment explains `None`, which a config file does not have; write \"Defaults to …\" instead";

/// One setting of a table.
#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    /// The name, followed by its aliases.
    pub(crate) names: Vec<String>,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    pub(crate) default: String,
    pub(crate) meaning: String,
}

/// Derives settings from types and collects a problem for every type or attribute that it does not support.
pub(crate) struct SchemaReader<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) problems: Vec<String>,
}

/// A field declaration.
struct Declared<'a> {
    name: String,
    attributes: &'a [Attribute],
    ty: &'a Type,
}

impl<'a> SchemaReader<'a> {
    /// Returns the settings of a table.
    pub(crate) fn fields(&mut self, id: TypeId) -> Vec<Field> {
        let definition = self.sources.get(id);
        match &definition.body {
            Body::Struct(fields) => self.struct_fields(fields, &definition.serde, id),
            Body::Enum(variants) => self.enum_fields(variants, &definition.serde, id),
        }
    }

    fn struct_fields(
        &mut self,
        fields: &'a Fields,
        container: &SerdeAttributes,
        owner: TypeId,
    ) -> Vec<Field> {
        let mut found = Vec::new();
        for field in fields {
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            let name = name.trim_start_matches("r#").to_owned();
            let declared = Declared { name, attributes: &field.attrs, ty: &field.ty };
            found.extend(self.declared_field(&declared, container, owner));
        }
        found
    }

    /// Returns the settings of an enum. A tagged enum has its tag and the fields of all variants; any other enum has one
    /// setting for each variant with a payload.
    fn enum_fields(
        &mut self,
        variants: &'a [Variant],
        container: &SerdeAttributes,
        owner: TypeId,
    ) -> Vec<Field> {
        let mut found = Vec::new();
        let tag = container.value("tag");
        if let Some(tag) = tag {
            found.push(Field {
                names: vec![tag.to_owned()],
                kind: Kind::OneOf(self.choices(variants, owner)),
                is_required: true,
                default: String::new(),
                meaning: String::new(),
            });
        }
        for variant in variants {
            let Some(word) = self.variant_name(variant, owner) else { continue };
            match tag {
                Some(tag) => {
                    let mut fields = match &variant.fields {
                        Fields::Unnamed(inner) if inner.unnamed.len() == 1 => {
                            let kind = self.kind(&inner.unnamed[0].ty, owner, tag);
                            kind.table().map(|(id, ..)| self.fields(id)).unwrap_or_default()
                        }
                        fields => self.struct_fields(fields, &SerdeAttributes::default(), owner),
                    };
                    for field in &mut fields {
                        field.meaning = format!("With `{tag} = \"{word}\"`. {}", field.meaning);
                    }
                    found.extend(fields);
                }
                None if matches!(variant.fields, Fields::Unit) => {}
                None => found.push(Field {
                    names: vec![word.clone()],
                    kind: self.payload(&variant.fields, owner, &word),
                    is_required: false,
                    default: "none".to_owned(),
                    meaning: doc_comment::first_paragraph(&variant.attrs),
                }),
            }
        }
        found
    }

    /// Returns the kind of the payload of a variant.
    pub(crate) fn payload(&mut self, fields: &'a Fields, owner: TypeId, name: &str) -> Kind {
        match fields {
            Fields::Unnamed(inner) if inner.unnamed.len() == 1 => {
                self.kind(&inner.unnamed[0].ty, owner, name)
            }
            fields => {
                let fields = self.struct_fields(fields, &SerdeAttributes::default(), owner);
                let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.names[0])).collect();
                Kind::Described(format!("table of {}", names.join(", ")))
            }
        }
    }

    /// Returns the settings of a declared field: none if it is skipped, several if it is flattened.
    fn declared_field(
        &mut self,
        field: &Declared<'a>,
        container: &SerdeAttributes,
        owner: TypeId,
    ) -> Vec<Field> {
        let serde = match SerdeAttributes::parse(field.attributes) {
            Ok(serde) => serde,
            Err(error) => {
                self.report(owner, &field.name, &error.to_string());
                return Vec::new();
            }
        };
        if serde.is_skipped() {
            return Vec::new();
        }
        let (inner, is_option) = kind::strip_option(field.ty);
        let deserializer = serde.deserializer();
        let kind = match deserializer.map_or(Ok(None), kind::from_deserializer) {
            Ok(Some(kind)) => kind,
            Ok(None) => match self.kind(inner, owner, &field.name) {
                Kind::Unknown => return Vec::new(),
                kind => kind,
            },
            Err(()) => {
                let deserializer = deserializer.unwrap_or_default();
                self.report(owner, &field.name, &format!("the function {deserializer} is not supported"));
                return Vec::new();
            }
        };
        if serde.has("flatten") {
            return self.flattened(kind, field);
        }

        let own = serde.value("rename").map(str::to_owned);
        let Some(name) = own.or_else(|| renamed(&field.name, container.value("rename_all"))) else {
            self.report(owner, &field.name, "this rename_all rule is not supported");
            return Vec::new();
        };
        let aliases = serde.values("alias").map(str::to_owned);
        let names: Vec<String> = std::iter::once(name).chain(aliases).collect();
        let text = doc_comment::first_paragraph(field.attributes);
        if text.contains("`None`") {
            self.report(owner, &field.name, RUST_NONE);
        }
        let doc = doc_comment::field_doc(&text, |words| kind.literal(words));
        let is_optional =
            serde.has("default") || container.has("default") || (is_option && deserializer.is_none());
        let is_required = doc.is_required || !is_optional;
        let empty = match &self.sources.get(owner).default {
            _ if !container.has("default") => serde.value("default").is_none(),
            DefaultImpl::Derived => true,
            DefaultImpl::Manual(empty) => empty.contains(&field.name),
            DefaultImpl::Unknown => false,
        };
        let default = match doc.default {
            _ if is_required => String::new(),
            Some(default) => default,
            None if is_option && empty => "none".to_owned(),
            None => {
                let is_obvious = empty || matches!(kind, Kind::Table(_));
                kind.empty_literal().filter(|_| is_obvious).unwrap_or_else(|| {
                    self.report(owner, &field.name, NO_DEFAULT);
                    String::new()
                })
            }
        };
        let mut meaning = doc.meaning;
        if let (true, Some((table, ..))) = (meaning.is_empty(), kind.table()) {
            meaning = doc_comment::first_paragraph(&self.sources.get(table).attributes);
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
                meaning: doc_comment::first_paragraph(field.attributes),
            }],
            _ => Vec::new(),
        }
    }

    pub(crate) fn unknown(&mut self, name: &str, owner: TypeId, field: &str) -> Kind {
        let path = self.sources.path(owner);
        self.problems.push(format!("type {name} of field {field} in {path} is not supported"));
        Kind::Unknown
    }

    pub(crate) fn report(&mut self, owner: TypeId, field: &str, problem: &str) {
        let (name, path) = (&self.sources.get(owner).name, self.sources.path(owner));
        self.problems.push(format!("field {field} of {name} in {path}: {problem}"));
    }
}
