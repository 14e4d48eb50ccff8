use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// One JSON value, kept as the text it came in; cheap to clone.
///
/// Two values are equal when their texts are: `1.0` is not `1`.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Checks that the text is one JSON value and keeps it.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        let value: Box<RawValue> = serde_json::from_str(text).map_err(InvalidJson)?;
        Ok(Self(value.into()))
    }

    /// Prints a value tree.
    ///
    /// # Errors
    /// Never for a tree of `serde_json`'s own; other values may hold keys that are no strings.
    pub fn print<T: Serialize>(value: &T) -> Result<Self, InvalidJson> {
        let value = serde_json::value::to_raw_value(value).map_err(InvalidJson)?;
        Ok(Self(value.into()))
    }

    /// The text, without white space around it.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Whether this is the literal `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|value| Self(value.into()))
    }
}

/// Text that is not JSON; says where it stops being so.
#[derive(Debug, Error)]
#[error("not JSON: {0}")]
pub struct InvalidJson(serde_json::Error);
