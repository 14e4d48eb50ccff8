//! Reads the JSON of a request value by value; errors contain the path of the value.

use std::{borrow::Cow, fmt, str::FromStr};

use fb_core::{InvalidRequest, Json};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The path of a value, formatted only for errors.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Top(&'p str),
    Key(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => f.write_str(name),
            Self::Key(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Path<'_> {
    /// Returns the last name of the path.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Top(name) | Self::Key(_, name) => name,
            Self::Index(parent, _) => parent.name(),
        }
    }

    /// Creates the error for an invalid value at this path.
    pub(crate) fn invalid(&self, expected: &str, text: &str) -> InvalidRequest {
        let got = describe(text);
        InvalidRequest::field(self.to_string(), format!("{self}: expected {expected}, got {got}"))
    }

    /// Creates the error for a missing value at this path.
    pub(crate) fn missing(&self, expected: &str) -> InvalidRequest {
        InvalidRequest::field(self.to_string(), format!("{self}: missing; expected {expected}"))
    }

    fn not_json(&self, error: &serde_json::Error) -> InvalidRequest {
        // Errors about a value of the expected JSON type do not quote its content.
        InvalidRequest::field(self.to_string(), format!("{self}: not valid JSON: {error}"))
    }

    pub(crate) fn string(&self, text: &str) -> Result<String, InvalidRequest> {
        if !text.starts_with('"') {
            return Err(self.invalid("a string", text));
        }
        serde_json::from_str(text).map_err(|error| self.not_json(&error))
    }

    pub(crate) fn boolean(&self, text: &str) -> Result<bool, InvalidRequest> {
        bool::from_str(text).map_err(|_not_a_bool| self.invalid("a boolean", text))
    }

    /// Reads a number; `expected` describes the accepted numbers.
    pub(crate) fn number<T: DeserializeOwned>(
        &self,
        text: &str,
        expected: &str,
    ) -> Result<T, InvalidRequest> {
        serde_json::from_str(text).map_err(|_other_type| self.invalid(expected, text))
    }

    pub(crate) fn positive(&self, text: &str) -> Result<u32, InvalidRequest> {
        let expected = "a positive integer";
        match self.number(text, expected)? {
            0 => Err(self.invalid(expected, text)),
            number => Ok(number),
        }
    }

    pub(crate) fn array<'a>(&self, text: &'a str) -> Result<Vec<&'a str>, InvalidRequest> {
        if !text.starts_with('[') {
            return Err(self.invalid("an array", text));
        }
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| self.not_json(&error))?;
        Ok(items.into_iter().map(RawValue::get).collect())
    }

    pub(crate) fn object<'a>(&self, text: &'a str) -> Result<Object<'a, '_>, InvalidRequest> {
        if !text.starts_with('{') {
            return Err(self.invalid("an object", text));
        }
        let fields = serde_json::from_str(text).map_err(|error| self.not_json(&error))?;
        Ok(Object { path: self, fields })
    }

    /// Keeps a value unchanged after checking that every JSON parser can read it: no lone surrogates, no nesting beyond
    /// 127 levels.
    pub(crate) fn json(&self, text: &str) -> Result<Json, InvalidRequest> {
        serde_json::from_str::<Validated>(text).map_err(|error| self.not_json(&error))?;
        Json::parse(text).map_err(|error| InvalidRequest::field(self.to_string(), format!("{self}: {error}")))
    }
}

/// Describes a value without the content of strings: prompts do not belong in error messages.
pub(crate) fn describe(text: &str) -> Cow<'static, str> {
    match text.as_bytes().first() {
        None => "nothing".into(),
        Some(b'"') => "a string".into(),
        Some(b'[') => "an array".into(),
        Some(b'{') => "an object".into(),
        Some(_) => text.chars().take(32).collect::<String>().into(),
    }
}

/// An object from which the known fields are taken one by one, so that the unknown ones remain.
pub(crate) struct Object<'a, 'p> {
    pub(crate) path: &'p Path<'p>,
    fields: Fields<'a>,
}

impl<'a> Object<'a, '_> {
    /// See [`Fields::get`].
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.get(name)
    }

    /// Returns [`Object::get`] and removes all fields with this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        let value = self.get(name);
        self.fields.0.retain(|(key, _)| key != name);
        value
    }

    pub(crate) fn take_string(&mut self, name: &str) -> Result<Option<String>, InvalidRequest> {
        self.take(name).map(|text| Path::Key(self.path, name).string(text)).transpose()
    }

    pub(crate) fn take_boolean(&mut self, name: &str) -> Result<Option<bool>, InvalidRequest> {
        self.take(name).map(|text| Path::Key(self.path, name).boolean(text)).transpose()
    }

    pub(crate) fn take_json(&mut self, name: &str) -> Result<Option<Json>, InvalidRequest> {
        self.take(name).map(|text| Path::Key(self.path, name).json(text)).transpose()
    }

    /// Takes a required field.
    pub(crate) fn require(&mut self, name: &str, expected: &str) -> Result<&'a str, InvalidRequest> {
        self.take(name).ok_or_else(|| Path::Key(self.path, name).missing(expected))
    }

    /// Takes a required string.
    pub(crate) fn require_string(&mut self, name: &str, expected: &str) -> Result<String, InvalidRequest> {
        let text = self.require(name, expected)?;
        Path::Key(self.path, name).string(text)
    }

    /// Returns the remaining fields that are not `null`.
    pub(crate) fn remaining(&self) -> impl Iterator<Item = (&str, &'a str)> {
        let fields = self.fields.0.iter().filter(|(_, text)| *text != "null");
        fields.map(|(name, text)| (&**name, *text))
    }
}

/// The fields of an object as text, in order and with duplicates.
pub(crate) struct Fields<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Fields<'a> {
    /// Returns the last field with this name; `null` counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let last = self.0.iter().rev().find(|(key, _)| key == name)?;
        Some(last.1).filter(|value| *value != "null")
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &RawValue>()? {
                    fields.push((key, value.get()));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A key, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Parses a value completely and discards it.
struct Validated;

impl<'de> Deserialize<'de> for Validated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Validated {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

/// Returns true if the array is not empty; inspects only its first item.
pub(crate) fn holds_items(array: &str) -> bool {
    array.strip_prefix('[').is_some_and(|rest| !rest.trim_start().starts_with(']'))
}

/// Returns true if the text is valid JSON.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
