//! The settings of a connection to an upstream, which are the same for every provider.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde::Deserialize;

/// The connection to an upstream: its limits, proxy, certificates and additional headers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Connection {
    /// Maximum duration of connecting. `None` is 5 s.
    pub connect_timeout: Option<Duration>,
    /// The URL of an HTTP proxy. Proxies from the environment are ignored.
    pub proxy: Option<String>,
    /// A PEM file with certificates that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Headers that are added to every request.
    pub headers: ExtraHeaders,
    /// An HTTP client that takes the place of fb's own ones. It follows its own timeouts, proxies, certificates, redirects and
    /// retries.
    #[cfg(feature = "http-client")]
    pub http_client: Option<reqwest::Client>,
}

impl Connection {
    /// Returns the HTTP client of the program, if it has set one.
    #[cfg(feature = "http-client")]
    pub(crate) const fn own_client(&self) -> Option<&reqwest::Client> {
        self.http_client.as_ref()
    }

    /// Returns the HTTP client of the program: none without the feature.
    #[cfg(not(feature = "http-client"))]
    #[expect(clippy::unused_self, reason = "the other form needs it")]
    pub(crate) const fn own_client(&self) -> Option<&reqwest::Client> {
        None
    }
}

/// Additional headers by name. `Debug` omits their values, which may be secrets.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ExtraHeaders(BTreeMap<String, String>);

impl ExtraHeaders {
    /// Sets a header, in place of a previous one of that name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}

impl fmt::Debug for ExtraHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
