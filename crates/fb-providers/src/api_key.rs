//! Several API keys of one provider.

use std::{fmt, sync::Arc};

use fb_core::{InvalidConfig, KeyInfo};
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer, de};

use crate::secret::Secret;

/// One of several API keys of a provider: `{ env = "NAME" }` or `{ file = "PATH" }`, with an optional `weight`.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    pub(crate) secret: Secret,
    pub(crate) weight: f64,
}

impl ApiKey {
    /// Creates a key of weight 1.
    pub const fn new(secret: Secret) -> Self {
        Self { secret, weight: 1.0 }
    }

    /// Sets the weight: the share of the calls that the key gets, relative to the others.
    #[must_use]
    pub const fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }
}

impl From<Secret> for ApiKey {
    fn from(secret: Secret) -> Self {
        Self::new(secret)
    }
}

/// Checks several keys of a provider, which must be different ones and take the place of a single one.
pub(crate) fn check(single: Option<&Secret>, keys: &[ApiKey]) -> Result<(), InvalidConfig> {
    if single.is_some() && !keys.is_empty() {
        return Err(InvalidConfig::new("api_keys", "(set)", "expected either api_key or api_keys"));
    }
    let mut seen = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let field = format!("api_keys[{index}]");
        if !(key.weight.is_finite() && key.weight > 0.0) {
            let expected = "expected a number above 0, such as 2";
            return Err(InvalidConfig::new(format!("{field}.weight"), key.weight.to_string(), expected));
        }
        let secret = key.secret.resolve(&field)?.expose_secret().to_owned();
        if let Some(earlier) = seen.iter().position(|other| *other == secret) {
            let expected = format!("the same key as api_keys[{earlier}]; expected each key once");
            return Err(InvalidConfig::new(field, "(hidden)", expected));
        }
        seen.push(secret);
    }
    Ok(())
}

/// Returns the names and weights of the keys of a provider; none for a single one, which needs no name.
pub(crate) fn infos(keys: &[ApiKey]) -> Vec<KeyInfo> {
    if keys.len() < 2 {
        return Vec::new();
    }
    let info = |(index, key): (usize, &ApiKey)| {
        KeyInfo::new(
            Arc::from(key.secret.source().unwrap_or_else(|| format!("key {}", index + 1))),
            key.weight,
        )
    };
    keys.iter().enumerate().map(info).collect()
}

impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

/// The accepted forms in a config; part of every error about it.
const FORMS: &str = "{ env = \"NAME\" } or { file = \"PATH\" }, with an optional weight; a secret does not belong in a config file";

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = ApiKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    /// The error omits the text, which is most likely the secret.
    fn visit_str<E: de::Error>(self, _text: &str) -> Result<ApiKey, E> {
        Err(E::custom(format_args!("a string here; expected {FORMS}")))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<ApiKey, A::Error> {
        let wrong = || de::Error::custom(format_args!("expected exactly one of {FORMS}"));
        let (mut secret, mut weight) = (None, None);
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "weight" if weight.is_none() => weight = Some(map.next_value::<f64>()?),
                field if secret.is_none() => {
                    secret = Some(Secret::read_reference(field, &mut map)?.ok_or_else(wrong)?);
                }
                _ => return Err(wrong()),
            }
        }
        let key = ApiKey::new(secret.ok_or_else(wrong)?);
        Ok(weight.map_or_else(|| key.clone(), |weight| key.clone().with_weight(weight)))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const CANARY: &str = "sk-canary-0000";

    #[track_caller]
    fn parses(json: &str, expected: &Expect) {
        let key: Result<ApiKey, _> = serde_json::from_str(json);
        let shown = key.map_or_else(|error| error.to_string(), |key| format!("{key:?}"));
        assert!(!shown.contains(CANARY), "{shown}");
        expected.assert_eq(&shown);
    }

    #[test]
    fn only_references_are_accepted_and_errors_hide_values() {
        parses(r#"{"env":"A"}"#, &expect!["ApiKey { secret: Secret(env A), weight: 1.0 }"]);
        parses(r#"{"weight":2,"file":"/a"}"#, &expect!["ApiKey { secret: Secret(file /a), weight: 2.0 }"]);
        parses(
            &format!("{CANARY:?}"),
            &expect![[
                r#"a string here; expected { env = "NAME" } or { file = "PATH" }, with an optional weight; a secret does not belong in a config file at line 1 column 16"#
            ]],
        );
        parses(
            &format!(r#"{{"value":{CANARY:?}}}"#),
            &expect![[
                r#"expected exactly one of { env = "NAME" } or { file = "PATH" }, with an optional weight; a secret does not belong in a config file at line 1 column 8"#
            ]],
        );
        parses(
            r#"{"env":"A","file":"/a"}"#,
            &expect![[
                r#"expected exactly one of { env = "NAME" } or { file = "PATH" }, with an optional weight; a secret does not belong in a config file at line 1 column 17"#
            ]],
        );
        parses(
            r#"{"weight":2}"#,
            &expect![[
                r#"expected exactly one of { env = "NAME" } or { file = "PATH" }, with an optional weight; a secret does not belong in a config file at line 1 column 12"#
            ]],
        );
    }

    #[test]
    fn keys_differ_and_weigh_something() {
        let key = |text: &str| ApiKey::new(Secret::value(text));
        let shown =
            |keys: &[ApiKey]| check(None, keys).map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        assert_eq!(shown(&[key("a"), key("b").with_weight(0.5)]), "ok");
        expect!["api_keys[1].weight = 0: expected a number above 0, such as 2"]
            .assert_eq(&shown(&[key("a"), key("b").with_weight(0.0)]));
        expect!["api_keys[2] = (hidden): the same key as api_keys[0]; expected each key once"]
            .assert_eq(&shown(&[key(CANARY), key("b"), key(CANARY)]));
        expect![[r#"api_keys[1] = { env = "FB_TEST_NO_SUCH_VARIABLE" }: the environment variable FB_TEST_NO_SUCH_VARIABLE is not set"#]].assert_eq(&shown(&[key("a"), ApiKey::new(Secret::env("FB_TEST_NO_SUCH_VARIABLE"))]));
        let names: Vec<_> =
            infos(&[key("a"), Secret::env("B").into()]).into_iter().map(|key| key.name).collect();
        assert_eq!(names, [Arc::from("key 1"), Arc::from("B")]);
    }
}
