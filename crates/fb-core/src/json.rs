use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// A JSON value kept as its original text; cheap to clone.
///
/// Two values are equal if their texts are equal: `1.0` is not equal to `1`.
///
/// # Examples
///
/// ```
/// use fb_core::Json;
///
/// let value = Json::parse(" {\"a\": 1.0} ")?;
/// assert_eq!(value.get(), "{\"a\": 1.0}");
/// # Ok::<(), fb_core::InvalidJson>(())
/// ```
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Parses a text that holds exactly one JSON value.
    ///
    /// # Errors
    /// [`InvalidJson`] if the text is not one JSON value.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        let value: Box<RawValue> = serde_json::from_str(text).map_err(InvalidJson)?;
        Ok(Self(value.into()))
    }

    /// Serializes a value.
    ///
    /// # Errors
    /// [`InvalidJson`] if the value cannot be represented, such as a map with keys that are not strings. A
    /// `serde_json::Value` never fails.
    pub fn print<T: Serialize>(value: &T) -> Result<Self, InvalidJson> {
        let value = serde_json::value::to_raw_value(value).map_err(InvalidJson)?;
        Ok(Self(value.into()))
    }

    /// Returns the text without surrounding white space.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Returns `true` for the literal `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        // The keys of its maps are strings, and its numbers are those of JSON.
        Self::print(&value).unwrap_or_else(|error| unreachable!("{error}"))
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

/// The error for a text that is not JSON; displays the position.
#[derive(Debug, Error)]
#[error("not JSON: {0}")]
pub struct InvalidJson(serde_json::Error);
