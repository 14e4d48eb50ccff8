//! What a user writes for a type, by its declaration.

use syn::{Fields, Type, Variant};

use super::{
    field::Reader,
    kind::{self, Choice, Choices, Kind},
    prose,
    serde::{Serde, renamed},
    sources::{Body, TypeId},
};

impl<'a> Reader<'a> {
    /// What a user writes for a type that a field beside others of `beside` has.
    pub(crate) fn kind(&mut self, of: &'a Type, beside: TypeId, field: &str) -> Kind {
        let of = match of {
            Type::Reference(it) => &*it.elem,
            Type::Slice(it) => return Kind::List(Box::new(self.kind(&it.elem, beside, field))),
            Type::Array(it) => return Kind::List(Box::new(self.kind(&it.elem, beside, field))),
            of => of,
        };
        let Some((path, inner)) = kind::split(of) else {
            return self.unknown("that is no name", beside, field);
        };
        let name = path.last().map(String::as_str).unwrap_or_default();
        match (name, &inner[..]) {
            ("Option" | "Box" | "Arc" | "Rc" | "Cow", &[inner]) => self.kind(inner, beside, field),
            ("Vec" | "VecDeque" | "BTreeSet" | "HashSet", &[inner, ..]) => {
                Kind::List(Box::new(self.kind(inner, beside, field)))
            }
            ("BTreeMap" | "HashMap" | "Map", &[_, inner, ..]) => {
                Kind::Map(Box::new(self.kind(inner, beside, field)))
            }
            _ => match kind::of_name(name, field) {
                Some(kind) => kind,
                None => match self.sources.named(&path, beside)[..] {
                    [id] => self.ours(id, field),
                    [] => self.unknown(name, beside, field),
                    [first, second, ..] => {
                        let (first, second) = (self.sources.path(first), self.sources.path(second));
                        let problem = format!("its type {name} may be that of {first} or of {second}");
                        self.note(beside, field, &problem);
                        Kind::Unknown
                    }
                },
            },
        }
    }

    /// Of one of our own types.
    fn ours(&mut self, id: TypeId, field: &str) -> Kind {
        let definition = self.sources.get(id);
        let serde = &definition.serde;
        if let Some(name) = serde.source() {
            if let Some(kind) = kind::of_name(name, field) {
                // In words, for what an empty one is turned into is not known.
                return Kind::Words(kind.cell(&|_| String::new()));
            }
            return match self.sources.named(&[name.to_owned()], id)[..] {
                [from] if from != id => self.ours(from, field),
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
                Kind::Either(variants.iter().filter_map(|variant| self.variant(variant, id, field)).collect())
            }
            Body::Enum(variants) => {
                let (units, others): (Vec<_>, Vec<_>) =
                    variants.iter().partition(|variant| matches!(variant.fields, Fields::Unit));
                let choices = self.choices(units, id);
                match (choices.words.is_empty(), others.is_empty()) {
                    (_, true) => Kind::OneOf(choices),
                    (true, false) => Kind::Table(id),
                    (false, false) => Kind::Either(vec![Kind::OneOf(choices), Kind::Table(id)]),
                }
            }
        }
    }

    /// Of a variant of an untagged enum; `None` when nothing can be written for it.
    fn variant(&mut self, variant: &'a Variant, of: TypeId, field: &str) -> Option<Kind> {
        let inner = variant.fields.iter().next().map(|field| &field.attrs[..]).unwrap_or_default();
        let readers = [&variant.attrs[..], inner].map(|attributes| Serde::of(attributes).unwrap_or_default());
        let Some(reader) = readers.iter().find_map(Serde::reader) else {
            let holds = !matches!(variant.fields, Fields::Unit);
            return holds.then(|| self.held(&variant.fields, of, field));
        };
        Some(match kind::of_reader(reader) {
            Ok(Some(kind)) => kind,
            Ok(None) => self.held(&variant.fields, of, field),
            Err(()) => self.unknown(reader, of, field),
        })
    }

    /// The words of variants that hold nothing.
    pub(crate) fn choices(&mut self, variants: impl IntoIterator<Item = &'a Variant>, of: TypeId) -> Choices {
        let about = prose::paragraphs(&self.sources.get(of).attributes);
        let mut choices = Choices { about, words: Vec::new() };
        for variant in variants {
            if let Some(word) = self.word(variant, of) {
                let meaning = prose::first_paragraph(&variant.attrs);
                let is_default = variant.attrs.iter().any(|attribute| attribute.path().is_ident("default"));
                choices.words.push(Choice { word, meaning, is_default });
            }
        }
        choices
    }

    /// A variant's name in a config; `None` when none may be written.
    pub(crate) fn word(&mut self, variant: &Variant, of: TypeId) -> Option<String> {
        let name = variant.ident.to_string();
        let serde = Serde::of(&variant.attrs).unwrap_or_default();
        if serde.is_skipped() || serde.has("other") {
            return None;
        }
        let own = serde.value("rename").map(str::to_owned);
        let word = own.or_else(|| renamed(&name, self.sources.get(of).serde.value("rename_all")));
        if word.is_none() {
            self.note(of, &name, "the rule of rename_all is not known");
        }
        word
    }
}
