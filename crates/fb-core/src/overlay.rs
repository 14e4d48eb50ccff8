use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The fields of a table of settings that differ from those of a wider one: a provider's from the global ones, a
/// target's from its provider's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Overlay(Map<String, Value>);

impl Overlay {
    /// All fields of a value, so that nothing of a wider one is left.
    pub fn of<T: Serialize>(settings: &T) -> Self {
        match serde_json::to_value(settings) {
            Ok(Value::Object(fields)) => Self(fields),
            _ => Self::default(),
        }
    }

    /// The wider settings with these fields changed, in tables within the table too.
    ///
    /// # Errors
    /// When a field is unknown or of the wrong type; in words that name it.
    pub fn on<T: Serialize + DeserializeOwned>(&self, wider: &T) -> Result<T, String> {
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
    fn only_the_named_fields_change() {
        let wider = Outer { rate: 0.5, limit: Some(1), inner: Inner { a: 1, b: 2 } };
        let overlay = |text: &str| serde_json::from_str::<Overlay>(text).unwrap();
        let changed = overlay(r#"{"limit": null, "inner": {"b": 7}}"#).on(&wider);
        assert_eq!(changed, Ok(Outer { rate: 0.5, limit: None, inner: Inner { a: 1, b: 7 } }));
        assert_eq!(Overlay::default().on(&wider).as_ref(), Ok(&wider));
        let whole = Outer { rate: 1.0, limit: None, inner: Inner { a: 0, b: 0 } };
        assert_eq!(Overlay::of(&whole).on(&wider), Ok(whole));
        let unknown = overlay(r#"{"inner": {"c": 7}}"#).on(&wider).unwrap_err();
        assert_eq!(unknown, "unknown field `c`, expected `a` or `b`");
    }
}
