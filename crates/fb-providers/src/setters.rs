//! Setters of the settings that all providers have.

/// Implements the setters of a provider's settings.
macro_rules! setters {
    ($config:ty) => {
        impl $config {
            /// Sets the base URL of the API.
            #[must_use]
            pub fn base_url(mut self, url: impl Into<String>) -> Self {
                self.base_url = Some(url.into());
                self
            }

            /// Sets the API key, in place of those set before: a text, or a [`Secret`](crate::Secret) that names its source.
            #[must_use]
            pub fn api_key(mut self, key: impl Into<crate::Secret>) -> Self {
                (self.api_key, self.api_keys) = (Some(key.into()), Vec::new());
                self
            }

            /// Sets several API keys, in place of those set before: a call uses one that is free, and moves to the next one
            /// when it meets a limit.
            #[must_use]
            pub fn api_keys(mut self, keys: impl IntoIterator<Item = crate::ApiKey>) -> Self {
                (self.api_key, self.api_keys) = (None, keys.into_iter().collect());
                self
            }

            /// Adds a header to every request.
            #[must_use]
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.connection.headers.insert(name, value);
                self
            }

            /// Trusts the certificates of a PEM file beside those of the system.
            #[must_use]
            pub fn ca_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.connection.ca_file = Some(path.into());
                self
            }

            /// Sets the URL of an HTTP proxy.
            #[must_use]
            pub fn proxy(mut self, url: impl Into<String>) -> Self {
                self.connection.proxy = Some(url.into());
                self
            }

            /// Sets the maximum duration of connecting.
            #[must_use]
            pub const fn connect_timeout(mut self, limit: std::time::Duration) -> Self {
                self.connection.connect_timeout = Some(limit);
                self
            }

            /// Sends the requests with this HTTP client in place of fb's own ones.
            ///
            /// The client should have no timeout for whole requests, and neither follow redirects nor retry: fb limits time,
            /// and counts and classifies every call. Over HTTP/2 it has one connection per host.
            #[cfg(feature = "http-client")]
            #[must_use]
            pub fn http_client(mut self, client: reqwest::Client) -> Self {
                self.connection.http_client = Some(client);
                self
            }
        }
    };
}

pub(crate) use setters;
