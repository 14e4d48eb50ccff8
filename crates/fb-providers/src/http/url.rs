use std::fmt;

use fb_core::{InvalidConfig, Refusal};
use http::Uri;
use reqwest::Url;

/// The base URL of an upstream: HTTP or HTTPS, without credentials, query and fragment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Base(Url);

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Base {
    /// Parses an address from a config; errors name it as `field`.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, InvalidConfig> {
        let expected = "expected an address such as \"https://api.example.com/v1\"";
        // A text with an @ may contain a password, so no message shows it.
        if text.contains('@') {
            let expected = "expected an address without user name and password; keys belong in api_key";
            return Err(InvalidConfig::new(field, "(hidden)", expected));
        }
        let shown = text.split(['?', '#']).next().unwrap_or_default();
        let mut url = Url::parse(text.trim())
            .map_err(|error| InvalidConfig::quoted(field, shown, format!("{error}; {expected}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidConfig::quoted(
                field,
                shown,
                format!("neither http:// nor https://; {expected}"),
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            let expected = "expected an address that ends with its path, without ? and #";
            return Err(InvalidConfig::quoted(field, shown, expected));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        uri(&url).map_err(|problem| InvalidConfig::quoted(field, shown, format!("{problem}; {expected}")))?;
        Ok(Self(url))
    }

    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the path, without a trailing slash.
    pub(crate) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Returns the URI of an endpoint; `path` begins with a slash and may end with a query.
    ///
    /// # Errors
    /// When the whole is longer than a URI may be.
    pub(crate) fn endpoint(&self, path: &str) -> Result<Uri, InvalidConfig> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let Self(mut url) = self.join(path);
        url.set_query(query);
        config_uri(&url)
    }

    /// Appends a path.
    pub(crate) fn join(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.path()));
        Self(url)
    }

    /// Removes the first of `suffixes` that the path ends with.
    pub(crate) fn without(&self, suffixes: &[&str]) -> Self {
        let mut url = self.0.clone();
        if let Some(path) = suffixes.iter().find_map(|suffix| self.path().strip_suffix(suffix)) {
            url.set_path(path);
        }
        Self(url)
    }

    /// Returns the URI of an endpoint of one of Azure's deployments.
    ///
    /// # Errors
    /// When the name is too long for a URI.
    pub(crate) fn deployment(&self, name: &str, endpoint: &str, api_version: &str) -> Result<Uri, Refusal> {
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // The name stays one segment, whatever characters it contains.
            segments.pop_if_empty().push(name).extend(endpoint.split('/'));
        }
        url.query_pairs_mut().append_pair("api-version", api_version);
        uri(&url).map_err(|problem| Refusal::new("model", problem))
    }

    /// Returns the URL of a path relative to the root of the server.
    pub(crate) fn root(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// Returns the URI of a path relative to the root of the server.
    ///
    /// # Errors
    /// When the whole is longer than a URI may be.
    pub(crate) fn root_endpoint(&self, path: &str) -> Result<Uri, InvalidConfig> {
        config_uri(&self.root(path))
    }
}

/// Returns the URI of a URL from a config.
fn config_uri(url: &Url) -> Result<Uri, InvalidConfig> {
    uri(url).map_err(|problem| InvalidConfig::quoted("base_url", url.as_str(), problem))
}

/// Returns a URL as requests carry it, so that none of them parses it again.
fn uri(url: &Url) -> Result<Uri, String> {
    url.as_str().parse().map_err(|error| format!("not usable as a URI: {error}"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Expect) {
        let shown = match Base::parse("base_url", text) {
            Ok(base) => base.endpoint("/chat/completions").unwrap().to_string(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn addresses_are_validated_and_joined() {
        check("https://api.openai.com/v1", &expect!["https://api.openai.com/v1/chat/completions"]);
        check("http://127.0.0.1:8000/v1//", &expect!["http://127.0.0.1:8000/v1/chat/completions"]);
        check("http://127.0.0.1:8000", &expect!["http://127.0.0.1:8000/chat/completions"]);
        check(
            "api.openai.com/v1",
            &expect![[
                r#"base_url = "api.openai.com/v1": relative URL without a base; expected an address such as "https://api.example.com/v1""#
            ]],
        );
        check(
            "ftp://host/v1",
            &expect![[
                r#"base_url = "ftp://host/v1": neither http:// nor https://; expected an address such as "https://api.example.com/v1""#
            ]],
        );
        check(
            "https://user:sk-canary@host/v1",
            &expect![
                "base_url = (hidden): expected an address without user name and password; keys belong in api_key"
            ],
        );
        check(
            "https://host/v1?key=sk-canary",
            &expect![[
                r#"base_url = "https://host/v1": expected an address that ends with its path, without ? and #"#
            ]],
        );
    }
}
