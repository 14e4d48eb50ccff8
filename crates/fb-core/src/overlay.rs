use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Partial settings that override the settings of a wider scope: a provider's override the global ones, a target's
/// override its provider's.
///
/// # Examples
///
/// ```
/// use fb_core::Overlay;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Settings {
///     attempts: u32,
///     rate: f64,
/// }
///
/// let overlay: Overlay = serde_json::from_str(r#"{"attempts": 3}"#).unwrap();
/// let narrowed = overlay.apply_to(&Settings { attempts: 1, rate: 0.5 });
/// assert_eq!(narrowed, Ok(Settings { attempts: 3, rate: 0.5 }));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Overlay(Map<String, Value>);

impl Overlay {
    /// Creates an overlay that overrides every field.
    pub fn from_settings<T: Serialize>(settings: &T) -> Self {
        match serde_json::to_value(settings) {
            Ok(Value::Object(fields)) => Self(fields),
            _ => Self::default(),
        }
    }

    /// Returns the wider settings with the fields of this overlay replaced, including fields of nested tables.
    ///
    /// # Errors
    /// A message that names the field if it is unknown or of the wrong type.
    pub fn apply_to<T: Serialize + DeserializeOwned>(&self, wider: &T) -> Result<T, String> {
        let mut merged = serde_json::to_value(wider).map_err(|error| error.to_string())?;
        for (name, value) in &self.0 {
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
}
