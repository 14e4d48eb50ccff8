//! The text of a config file as a configuration.

use fb_core::InvalidConfig;
use toml::de::{DeTable, Deserializer, Error};

use super::Config;
use crate::error::BuildError;

/// The tables of a config file that concern the gateway only.
const SERVER_TABLES: [&str; 5] = ["server", "admin", "record", "eval", "drift"];

impl Config {
    /// Reads the text of a config file. The tables of the gateway are left out: `server`, `admin`, `record`, `eval` and
    /// `drift`.
    ///
    /// # Errors
    /// Text that is not TOML, an unknown field or a value of another type, with its line and column. Values in themselves
    /// invalid are [problems](Self::problems), which [`Builder::config`](crate::Builder::config) reports.
    ///
    /// # Examples
    ///
    /// ```
    /// let config = fb::Config::from_toml(
    ///     r#"
    ///     [server]
    ///     listen = "127.0.0.1:8080"
    ///
    ///     [providers.local]
    ///     kind = "ollama"
    ///
    ///     [routes.default]
    ///     targets = [{ provider = "local", model = "llama3.2" }]
    ///     "#,
    /// )?;
    /// let client = fb::Client::builder().config(&config)?.build()?;
    /// assert_eq!(client.routes(), ["default"]);
    /// # Ok::<(), fb::Error>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, BuildError> {
        let invalid = |field: &str, error: &Error| BuildError::new(invalid(text, field, error));
        let mut tables = DeTable::parse(text).map_err(|error| invalid("config", &error))?;
        for table in SERVER_TABLES {
            tables.get_mut().remove(table);
        }
        serde_path_to_error::deserialize(Deserializer::from(tables))
            .map_err(|error| invalid(&error.path().to_string(), error.inner()))
    }
}

/// Converts an error of the parser. Its full text repeats the line, which may contain a secret, so only its message is used.
fn invalid(text: &str, field: &str, error: &Error) -> InvalidConfig {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
    InvalidConfig::new(field, format!("(line {line}, column {column})"), error.message())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn file_of_a_gateway_is_read_without_the_tables_of_the_server() {
        let text = r#"
            [server]
            listen = "0.0.0.0:8080"
            [admin]
            listen = "127.0.0.1:9090"
            [record]
            path = "requests.jsonl"
            [eval]
            results = "results.jsonl"
            [drift]
            share = 0.5
            [providers.local]
            kind = "ollama"
            [routes.fast]
            aliases = ["default"]
            targets = [{ provider = "local", model = "llama3.2" }]
        "#;
        let config = Config::from_toml(text).unwrap();
        assert_eq!(config.problems(), []);
        let client = crate::Client::builder().config(&config).unwrap().build().unwrap();
        assert_eq!(client.models(), ["fast", "default", "local/llama3.2"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let texts = [
            "[providers.a\nkind = 1",
            "[servers]\nlisten = \"127.0.0.1:8080\"",
            "[routes.default]\ndeadlin = \"5s\"",
            "[routes.default]\ndeadline = 5",
            "[providers.a]\napi_key = { value = \"sk-secret\", envs = \"A\" }",
            "[[routes.default.targets]]\nprovider = \"a\"\nmodel = 7",
        ];
        let found = texts.map(|text| Config::from_toml(text).unwrap_err().to_string());
        expect![[r#"
            config = (line 1, column 13): unclosed table, expected `]`
            servers = (line 1, column 2): unknown field `servers`, expected one of `providers`, `routes`, `breaker`, `retry`, `retry_budget`, `health`, `cache`, `traces`, `prices`, `tenants`, `ledger`
            routes.default.deadlin = (line 2, column 1): unknown field `deadlin`, expected one of `aliases`, `strategy`, `race`, `hedge`, `sticky`, `classes`, `complexity`, `deadline`, `max_attempts`, `idle_timeout`, `semantic_gap`, `stream_total`, `resume`, `last_resort_wait`, `when_all_unavailable`, `cache`, `downshift`, `quality`, `require_eval`, `ladder`, `targets`
            routes.default.deadline = (line 2, column 12): invalid type: integer `5`, expected a duration
            providers.a.api_key = (line 2, column 11): expected exactly one of { env = "NAME" } or { file = "PATH" }; a secret does not belong in a config file
            routes.default.targets[0].model = (line 3, column 9): invalid type: integer `7`, expected a string"#]].assert_eq(&found.join("\n"));
    }
}
