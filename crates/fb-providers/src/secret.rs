use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

use fb_core::InvalidConfig;

/// A reference to a secret: `{ env = "NAME" }` or `{ file = "PATH" }`. A config file never contains the secret itself.
#[derive(Clone, PartialEq)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Env(String),
    File(PathBuf),
    Value(SecretString),
    None,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Env(one), Self::Env(other)) => one == other,
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Value(one), Self::Value(other)) => one.expose_secret() == other.expose_secret(),
            (Self::None, Self::None) => true,
            _ => false,
        }
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::value(value)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::value(value)
    }
}

impl Secret {
    /// Creates a reference to an environment variable.
    pub fn env(name: impl Into<String>) -> Self {
        Self(Source::Env(name.into()))
    }

    /// Creates a reference to a file. White space around the secret is ignored.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// Holds a secret directly, for programs that obtain it elsewhere. A config file cannot express this.
    pub fn value(secret: impl Into<String>) -> Self {
        Self(Source::Value(SecretString::from(secret.into())))
    }

    /// Returns true if the secret is in a file.
    pub(crate) const fn is_file(&self) -> bool {
        matches!(self.0, Source::File(_))
    }

    /// Returns the name of the variable or the path of the file; `None` for a secret held directly.
    pub(crate) fn source(&self) -> Option<String> {
        match &self.0 {
            Source::Env(name) => Some(name.clone()),
            Source::File(path) => Some(path.display().to_string()),
            Source::Value(_) | Source::None => None,
        }
    }

    /// States that no secret is needed. A config file expresses this as `"none"`.
    pub const fn none() -> Self {
        Self(Source::None)
    }

    /// Returns true for [`Secret::none`].
    pub const fn is_none(&self) -> bool {
        matches!(self.0, Source::None)
    }

    /// Reads the secret. Errors name it as the config field `field`.
    ///
    /// # Errors
    /// When the variable or file is missing, empty or not text. The error never contains the content.
    pub fn resolve(&self, field: &str) -> Result<SecretString, InvalidConfig> {
        match &self.0 {
            Source::Env(name) => from_env(field, name),
            Source::File(path) => from_file(field, path),
            Source::Value(secret) if secret.expose_secret().trim().is_empty() => {
                Err(InvalidConfig::new(field, "(empty)", "expected a key that is not empty"))
            }
            Source::Value(secret) => Ok(secret.clone()),
            Source::None => Err(InvalidConfig::new(field, "\"none\"", format!("expected {FORMS}"))),
        }
    }
}

fn from_env(field: &str, name: &str) -> Result<SecretString, InvalidConfig> {
    let expected = |problem: &str| format!("the environment variable {name} {problem}");
    let shown = format!("{{ env = {name:?} }}");
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Err(InvalidConfig::new(field, shown, expected("is empty"))),
        Ok(value) => Ok(SecretString::from(value.trim())),
        Err(env::VarError::NotPresent) => Err(InvalidConfig::new(field, shown, expected("is not set"))),
        Err(env::VarError::NotUnicode(_)) => Err(InvalidConfig::new(field, shown, expected("is not text"))),
    }
}

fn from_file(field: &str, path: &Path) -> Result<SecretString, InvalidConfig> {
    let shown = format!("{{ file = \"{}\" }}", path.display());
    let text = fs::read_to_string(path).map_err(|error| {
        InvalidConfig::new(field, &shown, format!("the file cannot be read: {}", error.kind()))
    })?;
    if text.trim().is_empty() {
        return Err(InvalidConfig::new(field, shown, "the file is empty"));
    }
    Ok(SecretString::from(text.trim()))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Env(name) => write!(f, "Secret(env {name})"),
            Source::File(path) => write!(f, "Secret(file {})", path.display()),
            Source::Value(_) => f.write_str("Secret(value)"),
            Source::None => f.write_str("Secret(none)"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

impl Secret {
    /// Reads the value of the field `env` or `file` of a table in a config; `None` for any other field.
    pub(crate) fn read_reference<'de, A: de::MapAccess<'de>>(
        field: &str,
        map: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(match field {
            "env" => Some(Self::env(map.next_value::<String>()?)),
            "file" => Some(Self::file(map.next_value::<PathBuf>()?)),
            _ => None,
        })
    }
}

/// The accepted forms in a config; part of every error about it.
const FORMS: &str = "{ env = \"NAME\" } or { file = \"PATH\" }; a secret does not belong in a config file";

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    /// The error omits the text, which is most likely the secret.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        if text == "none" {
            return Ok(Secret::none());
        }
        Err(E::custom(format_args!("a string here; expected {FORMS}")))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let wrong = || de::Error::custom(format_args!("expected exactly one of {FORMS}"));
        let Some(key) = map.next_key::<String>()? else { return Err(wrong()) };
        let secret = Secret::read_reference(&key, &mut map)?.ok_or_else(wrong)?;
        if map.next_key::<String>()?.is_some() {
            return Err(wrong());
        }
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const CANARY: &str = "sk-canary-0000";

    #[track_caller]
    fn check(json: &str, expected: &Expect) {
        let secret: Result<Secret, _> = serde_json::from_str(json);
        let shown = match secret {
            Ok(secret) => match secret.resolve("api_key") {
                Ok(_) => format!("{secret:?} found"),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        assert!(!shown.contains(CANARY), "{shown}");
        expected.assert_eq(&shown);
    }

    #[test]
    fn only_references_are_accepted_and_errors_hide_values() {
        check(
            &format!("{CANARY:?}"),
            &expect![[
                r#"a string here; expected { env = "NAME" } or { file = "PATH" }; a secret does not belong in a config file at line 1 column 16"#
            ]],
        );
        check(
            &format!(r#"{{"value":{CANARY:?}}}"#),
            &expect![[
                r#"expected exactly one of { env = "NAME" } or { file = "PATH" }; a secret does not belong in a config file at line 1 column 8"#
            ]],
        );
        check(
            "{}",
            &expect![[
                r#"expected exactly one of { env = "NAME" } or { file = "PATH" }; a secret does not belong in a config file at line 1 column 2"#
            ]],
        );
        check(
            r#"{"env":"FB_TEST_NO_SUCH_VARIABLE"}"#,
            &expect![[
                r#"api_key = { env = "FB_TEST_NO_SUCH_VARIABLE" }: the environment variable FB_TEST_NO_SUCH_VARIABLE is not set"#
            ]],
        );
        check(
            r#"{"file":"/no/such/file"}"#,
            &expect![[r#"api_key = { file = "/no/such/file" }: the file cannot be read: entity not found"#]],
        );
        check(r#"{"env":"PATH"}"#, &expect!["Secret(env PATH) found"]);
        check(
            r#""none""#,
            &expect![[
                r#"api_key = "none": expected { env = "NAME" } or { file = "PATH" }; a secret does not belong in a config file"#
            ]],
        );
    }

    #[test]
    fn debug_output_hides_the_value() {
        let secret = Secret::value(CANARY);
        assert_eq!(format!("{secret:?}"), "Secret(value)");
        assert_eq!(secret.resolve("api_key").unwrap().expose_secret(), CANARY);
    }
}
