//! The `#[serde(...)]` attributes of a type, a variant or a field.

use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token, punctuated::Punctuated};

/// The arguments of the attributes by name. `rename(serialize = "a", deserialize = "b")` has the value `b`.
#[derive(Debug, Default)]
pub(crate) struct SerdeAttributes(Vec<(String, Option<String>)>);

impl SerdeAttributes {
    /// Parses the attributes.
    pub(crate) fn parse(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut arguments = Vec::new();
        for attribute in metas(attributes)?.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            let attribute = attribute.require_list()?;
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
                arguments.push((name, value));
            }
        }
        Ok(Self(arguments))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(argument, _)| argument == name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(argument, _)| argument == name)?.1.as_deref()
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(argument, _)| argument == name).filter_map(|(_, value)| value.as_deref())
    }

    /// Returns the function that deserializes the value, or its module.
    pub(crate) fn deserializer(&self) -> Option<&str> {
        self.value("deserialize_with").or_else(|| self.value("with"))
    }

    /// Returns the type that is deserialized and then converted into this one.
    pub(crate) fn conversion_source(&self) -> Option<&str> {
        self.value("from").or_else(|| self.value("try_from"))
    }

    /// Returns true if the item is never deserialized.
    pub(crate) fn is_skipped(&self) -> bool {
        self.has("skip") || self.has("skip_deserializing")
    }
}

/// Returns the attributes, with those of `cfg_attr` as if their condition were true.
pub(crate) fn metas(attributes: &[Attribute]) -> syn::Result<Vec<Meta>> {
    let mut metas = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("cfg_attr") {
            let parts = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
            metas.extend(parts.into_iter().skip(1));
        } else {
            metas.push(attribute.meta.clone());
        }
    }
    Ok(metas)
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

/// Applies a `rename_all` rule to the name of a field or a variant. Returns `None` for an unsupported rule.
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
