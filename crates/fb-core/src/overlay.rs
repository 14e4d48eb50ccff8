use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::preset::PresetOrTable;

/// Settings that override the settings of a wider scope: a provider's override the global ones, a target's override its
/// provider's. Either a table of the fields to override, or the name of a preset, which overrides all of them.
///
/// # Examples
///
/// ```
/// use std::str::FromStr;
///
/// use fb_core::Overlay;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Settings {
///     attempts: u32,
///     rate: f64,
/// }
///
/// impl FromStr for Settings {
///     type Err = String;
///
///     fn from_str(name: &str) -> Result<Self, String> {
///         match name {
///             "strict" => Ok(Self { attempts: 1, rate: 0.1 }),
///             _ => Err(format!("{name:?} is no preset, expected \"strict\"")),
///         }
///     }
/// }
///
/// let wider = Settings { attempts: 1, rate: 0.5 };
/// let overlay: Overlay = serde_json::from_str(r#"{"attempts": 3}"#)?;
/// assert_eq!(overlay.apply_to(&wider), Ok(Settings { attempts: 3, rate: 0.5 }));
/// let overlay: Overlay = serde_json::from_str(r#""strict""#)?;
/// assert_eq!(overlay.apply_to(&wider), Ok(Settings { attempts: 1, rate: 0.1 }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Overlay(PresetOrTable<Map<String, Value>>);

impl Default for Overlay {
    fn default() -> Self {
        Self(PresetOrTable::Table(Map::new()))
    }
}

impl Overlay {
    /// Creates an overlay that overrides every field.
    pub fn from_settings<T: Serialize>(settings: &T) -> Self {
        match serde_json::to_value(settings) {
            Ok(Value::Object(fields)) => Self(PresetOrTable::Table(fields)),
            _ => Self::default(),
        }
    }

    /// Returns the name of the preset, if the overlay is one.
    pub fn preset(&self) -> Option<&str> {
        match &self.0 {
            PresetOrTable::Preset(name) => Some(name),
            PresetOrTable::Table(_) => None,
        }
    }

    /// Returns the preset of this overlay, or else the wider settings with the fields of this overlay replaced, including
    /// fields of nested tables.
    ///
    /// # Errors
    /// A message that names the field if it is unknown or of the wrong type, or the preset if it is unknown.
    pub fn apply_to<T>(&self, wider: &T) -> Result<T, String>
    where
        T: Serialize + DeserializeOwned + FromStr<Err: fmt::Display>,
    {
        let fields = match &self.0 {
            PresetOrTable::Preset(name) => return name.parse().map_err(|error: T::Err| error.to_string()),
            PresetOrTable::Table(fields) => fields,
        };
        let mut merged = serde_json::to_value(wider).map_err(|error| error.to_string())?;
        for (name, value) in fields {
            merge(&mut merged, name, value);
        }
        serde_json::from_value(merged).map_err(|error| error.to_string())
    }
}

fn merge(table: &mut Value, name: &str, value: &Value) {
    let Value::Object(fields) = table else { return };
    match (fields.get_mut(name), value) {
        (Some(inner @ Value::Object(_)), Value::Object(changes)) => {
            for (name, value) in changes {
                merge(inner, name, value);
            }
        }
        _ => {
            fields.insert(name.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        rate: f64,
        limit: Option<u32>,
        inner: Inner,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        a: u32,
        b: u32,
    }

    impl FromStr for Outer {
        type Err = String;

        fn from_str(name: &str) -> Result<Self, String> {
            let preset = Self { rate: 1.0, limit: None, inner: Inner { a: 7, b: 7 } };
            if name == "seven" { Ok(preset) } else { Err(format!("no preset {name:?}")) }
        }
    }

    #[test]
    fn only_listed_fields_are_overridden() {
        let wider = Outer { rate: 0.5, limit: Some(1), inner: Inner { a: 1, b: 2 } };
        let overlay = |text: &str| serde_json::from_str::<Overlay>(text).unwrap();
        let changed = overlay(r#"{"limit": null, "inner": {"b": 7}}"#).apply_to(&wider);
        assert_eq!(changed, Ok(Outer { rate: 0.5, limit: None, inner: Inner { a: 1, b: 7 } }));
        assert_eq!(Overlay::default().apply_to(&wider).as_ref(), Ok(&wider));
        let whole = Outer { rate: 1.0, limit: None, inner: Inner { a: 0, b: 0 } };
        assert_eq!(Overlay::from_settings(&whole).apply_to(&wider), Ok(whole));
        let unknown = overlay(r#"{"inner": {"c": 7}}"#).apply_to(&wider).unwrap_err();
        assert_eq!(unknown, "unknown field `c`, expected `a` or `b`");
    }

    #[test]
    fn preset_overrides_every_field() {
        let wider = Outer { rate: 0.5, limit: Some(1), inner: Inner { a: 1, b: 2 } };
        let overlay = |text: &str| serde_json::from_str::<Overlay>(text).map_err(|error| error.to_string());
        let preset = overlay(r#""seven""#).unwrap();
        assert_eq!(preset.preset(), Some("seven"));
        assert_eq!(preset.apply_to(&wider), "seven".parse());
        assert_eq!(overlay(r#""six""#).unwrap().apply_to(&wider), Err(r#"no preset "six""#.to_owned()));
        let invalid = overlay("7").unwrap_err();
        assert!(invalid.contains("expected a table, or the name of a preset"), "{invalid}");
    }
}
