//! What a user writes for a value of some type.

use syn::{GenericArgument, PathArguments, Type};

use super::sources::TypeId;

/// What a user writes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Switch,
    Duration,
    /// Anything else, in words.
    Words(String),
    OneOf(Choices),
    Table(TypeId),
    List(Box<Self>),
    /// By names of the user's choice.
    Map(Box<Self>),
    Either(Vec<Self>),
    /// Noted as a problem, so no page is printed.
    Unknown,
}

/// The words that a setting may be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Choices {
    /// What its type says of them all.
    pub(crate) about: String,
    pub(crate) words: Vec<Choice>,
}

impl Choices {
    fn word(word: &str) -> Self {
        let only = Choice { word: word.to_owned(), meaning: String::new(), is_default: false };
        Self { about: String::new(), words: vec![only] }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) word: String,
    pub(crate) meaning: String,
    pub(crate) is_default: bool,
}

/// Of the types that are no tables of ours; what reads itself by hand is described by hand. `{field}` is the field's name.
const WORDS: [(&str, &str); 6] = [
    ("Json", "any value"),
    ("Overlay", "table: what differs from [`[{field}]`](#{field})"),
    (
        "PriceConfigs",
        "`{ input = 2.5, output = 10 }` in USD per million tokens, with `cached_input`, `cache_write`, `from` and `until` \
         (days of UTC in quotes) optional; or a list of such",
    ),
    ("Secret", "`{ env = \"NAME\" }` or `{ file = \"PATH\" }`"),
    ("SocketAddr", "address (`\"127.0.0.1:8080\"`)"),
    ("Value", "any value"),
];

/// What a function reads that stands in `deserialize_with` or `with`; `Ok(None)` when it reads the type as others are
/// read, an error when it is not known.
pub(crate) fn of_reader(path: &str) -> Result<Option<Kind>, ()> {
    Ok(match path {
        "humantime_serde" | "humantime_serde::option" => None,
        "fresh_window" | "stale_window" => Some(Kind::Either(vec![Kind::Duration, Kind::Switch])),
        "json_fields" => Some(Kind::Map(Box::new(Kind::Words("any value".to_owned())))),
        "p95" => Some(Kind::OneOf(Choices::word("p95"))),
        _ => return Err(()),
    })
}

/// Of a type that is not ours.
pub(crate) fn of_name(name: &str, field: &str) -> Option<Kind> {
    Some(match name {
        "String" | "str" | "char" | "PathBuf" | "Path" => Kind::Text,
        "bool" => Kind::Switch,
        "f32" | "f64" => Kind::Number,
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
            Kind::Integer
        }
        "NonZeroU8" | "NonZeroU16" | "NonZeroU32" | "NonZeroU64" | "NonZeroUsize" => Kind::Integer,
        "Duration" => Kind::Duration,
        name => {
            let (_, words) = WORDS.iter().find(|(known, _)| *known == name)?;
            Kind::Words(words.replace("{field}", field))
        }
    })
}

impl Kind {
    /// The first table in it, how it is reached from the field, and whether it is one of a list.
    pub(crate) fn table(&self) -> Option<(TypeId, String, bool)> {
        match self {
            Self::Table(id) => Some((*id, String::new(), false)),
            Self::List(of) => of.table().map(|(id, at, _)| (id, at, true)),
            Self::Map(of) => of.table().map(|(id, at, is_list)| (id, format!(".NAME{at}"), is_list)),
            Self::Either(kinds) => kinds.iter().find_map(Self::table),
            _ => None,
        }
    }

    /// The first choices in it.
    pub(crate) fn choices(&self) -> Option<&Choices> {
        match self {
            Self::OneOf(choices) => Some(choices),
            Self::List(of) | Self::Map(of) => of.choices(),
            Self::Either(kinds) => kinds.iter().find_map(Self::choices),
            _ => None,
        }
    }

    /// Its name in the column of types; `table` names the heading of a table.
    pub(crate) fn cell(&self, table: &impl Fn(TypeId) -> String) -> String {
        match self {
            Self::Text => "string".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Duration => "duration (`\"30s\"`)".to_owned(),
            Self::Words(words) => words.clone(),
            Self::Unknown => String::new(),
            Self::OneOf(choices) => {
                let words: Vec<String> =
                    choices.words.iter().map(|it| format!("`\"{}\"`", it.word)).collect();
                let several = if words.len() > 1 { "one of " } else { "" };
                format!("{several}{}", words.join(", "))
            }
            Self::Table(id) => format!("table {}", table(*id)),
            Self::List(of) => match &**of {
                Self::Text => "list of strings".to_owned(),
                Self::Table(id) => format!("list of tables {}", table(*id)),
                of => format!("list of {}", of.cell(table)),
            },
            Self::Map(of) => match &**of {
                Self::Text => "table of strings".to_owned(),
                Self::Table(id) => format!("tables {}", table(*id)),
                of => format!("table of {}", of.cell(table)),
            },
            Self::Either(kinds) => kinds.iter().map(|kind| kind.cell(table)).collect::<Vec<_>>().join(" or "),
        }
    }

    /// Words of a doc comment as a value of this kind in a config file.
    pub(crate) fn value(&self, words: &str) -> Option<String> {
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
            (Self::Switch, &["true" | "false"]) => Some(format!("`{words}`")),
            (Self::Duration, &[digits, unit @ ("ms" | "s" | "min" | "h" | "d" | "days")]) => {
                count(digits).map(|value| format!("`\"{value}{unit}\"`"))
            }
            (Self::OneOf(choices), &[word]) if choices.words.iter().any(|it| it.word == word) => {
                Some(format!("`\"{word}\"`"))
            }
            (Self::Either(kinds), _) => kinds.iter().find_map(|kind| kind.value(words)),
            _ => None,
        }
    }

    /// What an empty value of it is in a config file; `None` when that cannot be told.
    pub(crate) fn empty(&self) -> Option<String> {
        Some(match self {
            Self::Text => "`\"\"`".to_owned(),
            Self::Integer | Self::Number => "`0`".to_owned(),
            Self::Switch => "`false`".to_owned(),
            Self::Duration => "`\"0s\"`".to_owned(),
            Self::OneOf(choices) => {
                let chosen = choices.words.iter().find(|it| it.is_default)?;
                format!("`\"{}\"`", chosen.word)
            }
            // The defaults of its fields are in its own section.
            Self::Table(_) => String::new(),
            Self::List(_) | Self::Map(_) => "none".to_owned(),
            Self::Words(_) | Self::Either(_) | Self::Unknown => return None,
        })
    }
}

/// The type behind `Option`, and whether there was one.
pub(crate) fn without_option(of: &Type) -> (&Type, bool) {
    match split(of) {
        Some((path, inner)) if path.last().is_some_and(|name| name == "Option") => {
            (inner.last().copied().unwrap_or(of), true)
        }
        _ => (of, false),
    }
}

/// A type's path, and the types that it is of.
pub(crate) fn split(of: &Type) -> Option<(Vec<String>, Vec<&Type>)> {
    let Type::Path(path) = of else { return None };
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
