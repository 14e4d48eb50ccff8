//! The `#[serde(...)]` of a type, a variant or a field.

use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token, punctuated::Punctuated};

/// What stands in the attributes; of `rename(serialize = "a", deserialize = "b")` only what is read counts.
#[derive(Debug, Default)]
pub(crate) struct Serde(Vec<(String, Option<String>)>);

impl Serde {
    pub(crate) fn of(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut said = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            for meta in attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
                let name = name(&meta);
                let value = match &meta {
                    Meta::Path(_) => None,
                    Meta::NameValue(pair) => text(&pair.value),
                    Meta::List(list) => {
                        let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
                        let read = inner.iter().find(|meta| meta.path().is_ident("deserialize"));
                        let Some(Meta::NameValue(pair)) = read else { continue };
                        text(&pair.value)
                    }
                };
                said.push((name, value));
            }
        }
        Ok(Self(said))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(said, _)| said == name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(said, _)| said == name)?.1.as_deref()
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(said, _)| said == name).filter_map(|(_, value)| value.as_deref())
    }

    /// The function, or the module with it, that reads the value.
    pub(crate) fn reader(&self) -> Option<&str> {
        self.value("deserialize_with").or_else(|| self.value("with"))
    }

    /// The type that is read, and then turned into this one.
    pub(crate) fn source(&self) -> Option<&str> {
        self.value("from").or_else(|| self.value("try_from"))
    }

    /// Never read from a file.
    pub(crate) fn is_skipped(&self) -> bool {
        self.has("skip") || self.has("skip_deserializing")
    }
}

fn name(meta: &Meta) -> String {
    meta.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// A field's or a variant's name by `rename_all`; `None` for a rule that is not known here.
pub(crate) fn renamed(name: &str, rule: Option<&str>) -> Option<String> {
    let mut snake = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    Some(match rule {
        None => name.to_owned(),
        Some("snake_case") => snake,
        Some("kebab-case") => snake.replace('_', "-"),
        Some("lowercase") => name.to_lowercase(),
        Some("SCREAMING_SNAKE_CASE") => snake.to_uppercase(),
        Some(_) => return None,
    })
}
