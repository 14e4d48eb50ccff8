//! The kinds of values in a config file.

use syn::{GenericArgument, PathArguments, Type};

use super::sources::TypeId;

/// The kind of a value in a config file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Duration,
    /// Any other value, described in words.
    Described(String),
    OneOf(Choices),
    Table(TypeId),
    List(Box<Self>),
    /// A table with user-chosen names as its keys.
    Map(Box<Self>),
    AnyOf(Vec<Self>),
    /// Unsupported. A problem is reported instead of a page.
    Unknown,
}

/// The allowed words of a setting.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Choices {
    /// The doc comment of the enum.
    pub(crate) about: String,
    pub(crate) words: Vec<Choice>,
}

impl Choices {
    fn single(word: &str) -> Self {
        let only = Choice { word: word.to_owned(), meaning: String::new(), is_default: false };
        Self { about: String::new(), words: vec![only] }
    }
}

/// One allowed word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) word: String,
    pub(crate) meaning: String,
    pub(crate) is_default: bool,
}

/// Descriptions of foreign types and of types with a handwritten `Deserialize`. `{field}` stands for the field's name.
const DESCRIPTIONS: [(&str, &str); 8] = [
    ("ApiKey", "`{ env = \"NAME\", weight = 2 }` or `{ file = \"PATH\" }`, `weight` optional"),
    ("ExtraHeaders", "table of strings"),
    ("Json", "any value"),
    ("Overlay", "table: overrides of [`[{field}]`](#{field}); or the name of a preset"),
    (
        "PriceConfigs",
        "`{ input = 2.5, output = 10 }` in USD per million tokens, with `cached_input`, `cache_write`, `from` and `until` \
         (quoted UTC dates) optional; or a list of these",
    ),
    ("Secret", "`{ env = \"NAME\" }` or `{ file = \"PATH\" }`"),
    ("SocketAddr", "address (`\"127.0.0.1:8080\"`)"),
    ("Value", "any value"),
];

/// Returns the kind that a function in `deserialize_with` or `with` accepts, or `Ok(None)` if the kind is that of the
/// field's type.
///
/// # Errors
///
/// If the function is not listed here.
pub(crate) fn from_deserializer(path: &str) -> Result<Option<Kind>, ()> {
    Ok(match path {
        "humantime_serde" | "humantime_serde::option" | "preset_or_table" => None,
        "fresh_window" | "stale_window" => Some(Kind::AnyOf(vec![Kind::Duration, Kind::Boolean])),
        "json_fields" => Some(Kind::Map(Box::new(Kind::Described("any value".to_owned())))),
        "p95" => Some(Kind::OneOf(Choices::single("p95"))),
        _ => return Err(()),
    })
}

/// Returns the kind of a type from outside of the workspace.
pub(crate) fn from_type_name(name: &str, field: &str) -> Option<Kind> {
    Some(match name {
        "String" | "str" | "char" | "PathBuf" | "Path" => Kind::Text,
        "bool" => Kind::Boolean,
        "f32" | "f64" => Kind::Number,
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
            Kind::Integer
        }
        "NonZeroU8" | "NonZeroU16" | "NonZeroU32" | "NonZeroU64" | "NonZeroUsize" => Kind::Integer,
        "Duration" => Kind::Duration,
        name => {
            let (_, words) = DESCRIPTIONS.iter().find(|(known, _)| *known == name)?;
            Kind::Described(words.replace("{field}", field))
        }
    })
}

impl Kind {
    /// Returns the first table in this kind, its path from the field, and true for a table in a list.
    pub(crate) fn table(&self) -> Option<(TypeId, String, bool)> {
        match self {
            Self::Table(id) => Some((*id, String::new(), false)),
            Self::List(inner) => inner.table().map(|(id, at, _)| (id, at, true)),
            Self::Map(inner) => inner.table().map(|(id, at, is_list)| (id, format!(".NAME{at}"), is_list)),
            Self::AnyOf(kinds) => kinds.iter().find_map(Self::table),
            _ => None,
        }
    }

    /// Returns the first choices in this kind.
    pub(crate) fn choices(&self) -> Option<&Choices> {
        match self {
            Self::OneOf(choices) => Some(choices),
            Self::List(inner) | Self::Map(inner) => inner.choices(),
            Self::AnyOf(kinds) => kinds.iter().find_map(Self::choices),
            _ => None,
        }
    }

    /// Returns the text of the type column; `table` links to the section of a table.
    pub(crate) fn describe(&self, table: &impl Fn(TypeId) -> String) -> String {
        match self {
            Self::Text => "string".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Duration => "duration (`\"30s\"`)".to_owned(),
            Self::Described(words) => words.clone(),
            Self::Unknown => String::new(),
            Self::OneOf(choices) => {
                let words: Vec<String> =
                    choices.words.iter().map(|it| format!("`\"{}\"`", it.word)).collect();
                let several = if words.len() > 1 { "one of " } else { "" };
                format!("{several}{}", words.join(", "))
            }
            Self::Table(id) => format!("table {}", table(*id)),
            Self::List(inner) => match &**inner {
                Self::Text => "list of strings".to_owned(),
                Self::Table(id) => format!("list of tables {}", table(*id)),
                inner => format!("list of {}", inner.describe(table)),
            },
            Self::Map(inner) => match &**inner {
                Self::Text => "table of strings".to_owned(),
                Self::Table(id) => format!("tables {}", table(*id)),
                inner => format!("table of {}", inner.describe(table)),
            },
            Self::AnyOf(kinds) => {
                kinds.iter().map(|kind| kind.describe(table)).collect::<Vec<_>>().join(" or ")
            }
        }
    }

    /// Converts a value in a doc comment, such as `32 MiB`, to the notation of the config file. Returns `None` if the
    /// words are not a value of this kind.
    pub(crate) fn literal(&self, words: &str) -> Option<String> {
        if words.len() > 1 && words.starts_with('`') && words.ends_with('`') {
            return Some(words.to_owned());
        }
        if words.len() > 1 && words.starts_with('"') && words.ends_with('"') {
            return Some(format!("`{words}`"));
        }
        let parts: Vec<&str> = words.split(' ').collect();
        let count = |digits: &str| digits.replace(',', "").parse::<u64>().ok();
        match (self, &parts[..]) {
            (Self::Integer, &[digits]) => count(digits).map(|value| format!("`{value}`")),
            (Self::Integer, &[digits, unit]) => {
                let shift = [("KiB", 10), ("MiB", 20), ("GiB", 30)].iter().find(|it| it.0 == unit)?.1;
                Some(format!("`{}` ({words})", count(digits)?.checked_shl(shift)?))
            }
            (Self::Number, &[digits]) => digits.parse::<f64>().ok().map(|_| format!("`{digits}`")),
            (Self::Boolean, &["true" | "false"]) => Some(format!("`{words}`")),
            (Self::Duration, &[digits, unit @ ("ms" | "s" | "min" | "h" | "d" | "days")]) => {
                count(digits).map(|value| format!("`\"{value}{unit}\"`"))
            }
            (Self::OneOf(choices), &[word]) if choices.words.iter().any(|it| it.word == word) => {
                Some(format!("`\"{word}\"`"))
            }
            (Self::AnyOf(kinds), _) => kinds.iter().find_map(|kind| kind.literal(words)),
            _ => None,
        }
    }

    /// Returns the empty value of this kind as it is written in a config file, or `None` if there is none.
    pub(crate) fn empty_literal(&self) -> Option<String> {
        Some(match self {
            Self::Text => "`\"\"`".to_owned(),
            Self::Integer | Self::Number => "`0`".to_owned(),
            Self::Boolean => "`false`".to_owned(),
            Self::Duration => "`\"0s\"`".to_owned(),
            Self::OneOf(choices) => {
                let chosen = choices.words.iter().find(|it| it.is_default)?;
                format!("`\"{}\"`", chosen.word)
            }
            // A table's own section lists the defaults of its fields.
            Self::Table(_) => String::new(),
            Self::List(_) | Self::Map(_) => "none".to_owned(),
            Self::Described(_) | Self::AnyOf(_) | Self::Unknown => return None,
        })
    }
}

/// Strips `Option` from a type. Returns true if there was one.
pub(crate) fn strip_option(ty: &Type) -> (&Type, bool) {
    match split_generics(ty) {
        Some((path, inner)) if path.last().is_some_and(|name| name == "Option") => {
            (inner.last().copied().unwrap_or(ty), true)
        }
        _ => (ty, false),
    }
}

/// Splits a type into its path and its generic type arguments.
pub(crate) fn split_generics(ty: &Type) -> Option<(Vec<String>, Vec<&Type>)> {
    let Type::Path(path) = ty else { return None };
    let names = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let inner = match &path.path.segments.last()?.arguments {
        PathArguments::AngleBracketed(inner) => inner.args.iter(),
        _ => return Some((names, Vec::new())),
    };
    let types = inner.filter_map(|argument| match argument {
        GenericArgument::Type(it) => Some(it),
        _ => None,
    });
    Some((names, types.collect()))
}
