//! The kind of a type, derived from its declaration.

use syn::{Fields, Type, Variant};

use super::{
    doc_comment,
    field::SchemaReader,
    kind::{self, Choice, Choices, Kind},
    serde::{SerdeAttributes, renamed},
    sources::{Body, TypeId},
};

impl<'a> SchemaReader<'a> {
    /// Returns the kind of `ty`, the type of a field of `owner`.
    pub(crate) fn kind(&mut self, ty: &'a Type, owner: TypeId, field: &str) -> Kind {
        let ty = match ty {
            Type::Reference(it) => &*it.elem,
            Type::Slice(it) => return Kind::List(Box::new(self.kind(&it.elem, owner, field))),
            Type::Array(it) => return Kind::List(Box::new(self.kind(&it.elem, owner, field))),
            ty => ty,
        };
        let Some((path, inner)) = kind::split_generics(ty) else {
            return self.unknown("without a name", owner, field);
        };
        let name = path.last().map(String::as_str).unwrap_or_default();
        match (name, &inner[..]) {
            ("Option" | "Box" | "Arc" | "Rc" | "Cow", &[inner]) => self.kind(inner, owner, field),
            ("Vec" | "VecDeque" | "BTreeSet" | "HashSet", &[inner, ..]) => {
                Kind::List(Box::new(self.kind(inner, owner, field)))
            }
            ("BTreeMap" | "HashMap" | "Map", &[_, inner, ..]) => {
                Kind::Map(Box::new(self.kind(inner, owner, field)))
            }
            _ => match kind::from_type_name(name, field) {
                Some(kind) => kind,
                None => match self.sources.resolve(&path, owner)[..] {
                    [id] => self.workspace_kind(id, field),
                    [] => self.unknown(name, owner, field),
                    [first, second, ..] => {
                        let (first, second) = (self.sources.path(first), self.sources.path(second));
                        let problem = format!("its type {name} is ambiguous: {first} or {second}");
                        self.report(owner, field, &problem);
                        Kind::Unknown
                    }
                },
            },
        }
    }

    /// Returns the kind of a type of the workspace.
    fn workspace_kind(&mut self, id: TypeId, field: &str) -> Kind {
        let definition = self.sources.get(id);
        let serde = &definition.serde;
        if let Some(name) = serde.conversion_source() {
            if let Some(kind) = kind::from_type_name(name, field) {
                // Described in words, because the conversion of an empty value is unknown.
                return Kind::Described(kind.describe(&|_| String::new()));
            }
            return match self.sources.resolve(&[name.to_owned()], id)[..] {
                [from] if from != id => self.workspace_kind(from, field),
                _ => self.unknown(name, id, field),
            };
        }
        match &definition.body {
            Body::Struct(Fields::Unnamed(fields)) if fields.unnamed.len() == 1 => {
                self.kind(&fields.unnamed[0].ty, id, field)
            }
            Body::Struct(Fields::Named(fields)) if serde.has("transparent") && fields.named.len() == 1 => {
                self.kind(&fields.named[0].ty, id, field)
            }
            Body::Struct(_) => Kind::Table(id),
            Body::Enum(_) if serde.has("tag") => Kind::Table(id),
            Body::Enum(variants) if serde.has("untagged") => {
                Kind::AnyOf(variants.iter().filter_map(|variant| self.variant(variant, id, field)).collect())
            }
            Body::Enum(variants) => {
                let (units, others): (Vec<_>, Vec<_>) =
                    variants.iter().partition(|variant| matches!(variant.fields, Fields::Unit));
                let choices = self.choices(units, id);
                match (choices.words.is_empty(), others.is_empty()) {
                    (_, true) => Kind::OneOf(choices),
                    (true, false) => Kind::Table(id),
                    (false, false) => Kind::AnyOf(vec![Kind::OneOf(choices), Kind::Table(id)]),
                }
            }
        }
    }

    /// Returns the kind of a variant of an untagged enum, or `None` if it is never deserialized.
    fn variant(&mut self, variant: &'a Variant, owner: TypeId, field: &str) -> Option<Kind> {
        let inner = variant.fields.iter().next().map(|field| &field.attrs[..]).unwrap_or_default();
        let deserializers = [&variant.attrs[..], inner]
            .map(|attributes| SerdeAttributes::parse(attributes).unwrap_or_default());
        let Some(deserializer) = deserializers.iter().find_map(SerdeAttributes::deserializer) else {
            let holds = !matches!(variant.fields, Fields::Unit);
            return holds.then(|| self.payload(&variant.fields, owner, field));
        };
        Some(match kind::from_deserializer(deserializer) {
            Ok(Some(kind)) => kind,
            Ok(None) => self.payload(&variant.fields, owner, field),
            Err(()) => self.unknown(deserializer, owner, field),
        })
    }

    /// Returns the words of unit variants.
    pub(crate) fn choices(
        &mut self,
        variants: impl IntoIterator<Item = &'a Variant>,
        owner: TypeId,
    ) -> Choices {
        let about = doc_comment::paragraphs(&self.sources.get(owner).attributes);
        let mut choices = Choices { about, words: Vec::new() };
        for variant in variants {
            if let Some(word) = self.variant_name(variant, owner) {
                let meaning = doc_comment::first_paragraph(&variant.attrs);
                let is_default = variant.attrs.iter().any(|attribute| attribute.path().is_ident("default"));
                choices.words.push(Choice { word, meaning, is_default });
            }
        }
        choices
    }

    /// Returns the name of a variant in a config file, or `None` if it is never deserialized.
    pub(crate) fn variant_name(&mut self, variant: &Variant, owner: TypeId) -> Option<String> {
        let name = variant.ident.to_string();
        let serde = SerdeAttributes::parse(&variant.attrs).unwrap_or_default();
        if serde.is_skipped() || serde.has("other") {
            return None;
        }
        let own = serde.value("rename").map(str::to_owned);
        let word = own.or_else(|| renamed(&name, self.sources.get(owner).serde.value("rename_all")));
        if word.is_none() {
            self.report(owner, &name, "this rename_all rule is not supported");
        }
        word
    }
}
