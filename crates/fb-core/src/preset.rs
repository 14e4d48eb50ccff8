//! Settings that a config file writes as a table, or as the name of a preset.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Deserializes settings from a table, or from the name of a preset, which [`FromStr`] finds.
///
/// For `#[serde(deserialize_with = "preset_or_table")]`.
///
/// # Errors
/// The error of the table, or that of [`FromStr`] for an unknown name.
///
/// # Examples
///
/// ```
/// use std::str::FromStr;
///
/// use fb_core::preset_or_table;
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Waits {
///     seconds: u32,
/// }
///
/// impl FromStr for Waits {
///     type Err = String;
///
///     fn from_str(name: &str) -> Result<Self, String> {
///         match name {
///             "patient" => Ok(Self { seconds: 60 }),
///             _ => Err(format!("{name:?} is no preset, expected \"patient\"")),
///         }
///     }
/// }
///
/// #[derive(Deserialize)]
/// struct Config {
///     #[serde(deserialize_with = "preset_or_table")]
///     waits: Waits,
/// }
///
/// let config: Config = serde_json::from_str(r#"{"waits": "patient"}"#)?;
/// assert_eq!(config.waits, Waits { seconds: 60 });
/// let config: Config = serde_json::from_str(r#"{"waits": {"seconds": 5}}"#)?;
/// assert_eq!(config.waits, Waits { seconds: 5 });
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn preset_or_table<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + FromStr<Err: fmt::Display>,
{
    match PresetOrTable::deserialize(deserializer)? {
        PresetOrTable::Preset(name) => name.parse().map_err(de::Error::custom),
        PresetOrTable::Table(table) => Ok(table),
    }
}

/// The name of a preset, or a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PresetOrTable<T> {
    Preset(String),
    Table(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PresetOrTable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not an untagged enum, the errors of which name neither the field nor its place.
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = PresetOrTable<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or the name of a preset")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(PresetOrTable::Preset(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(PresetOrTable::Table)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}
