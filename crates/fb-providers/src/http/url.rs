use std::fmt;

use reqwest::Url;

use crate::InvalidConfig;

/// The address under which an upstream's endpoints are: HTTP or HTTPS, without credentials, query and fragment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Base(Url);

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Base {
    /// Checks an address from a config; `field` names it in an error.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, InvalidConfig> {
        let expected = "expected an address such as \"https://api.example.com/v1\"";
        // A text with an @ may hold a password, so no message shows it.
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
        Ok(Self(url))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The path, without a slash at its end.
    pub(crate) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// An endpoint under this address; `path` begins with a slash and may end in a query.
    pub(crate) fn endpoint(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.path()));
        url.set_query(query);
        url
    }

    /// A longer address.
    pub(crate) fn under(&self, path: &str) -> Self {
        Self(self.endpoint(path))
    }

    /// This address short of the first of these ends that it has.
    pub(crate) fn without(&self, ends: &[&str]) -> Self {
        let mut url = self.0.clone();
        if let Some(path) = ends.iter().find_map(|end| self.path().strip_suffix(end)) {
            url.set_path(path);
        }
        Self(url)
    }

    /// The endpoint of one of Azure's deployments.
    pub(crate) fn deployment(&self, name: &str, endpoint: &str, api_version: &str) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // A name is one segment, whatever it holds.
            segments.pop_if_empty().push(name).extend(endpoint.split('/'));
        }
        url.query_pairs_mut().append_pair("api-version", api_version);
        url
    }

    /// An endpoint of this server regardless of this address's path.
    pub(crate) fn root(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Expect) {
        let shown = match Base::parse("base_url", text) {
            Ok(base) => base.endpoint("/chat/completions").to_string(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn addresses_are_checked_and_joined() {
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
