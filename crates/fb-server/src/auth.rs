//! Whose key a caller shows.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use fb::{Config, InvalidConfig};
use secrecy::{ExposeSecret, SecretString};

/// The keys of the tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenants(Arc<[(SecretString, Caller)]>);

/// Whose key was shown: the tenant, and the key's name if it has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Arc<str>,
    pub(crate) key: Option<Arc<str>>,
}

impl Tenants {
    /// Reads the keys that the config names.
    pub(crate) fn of(config: &Config) -> Result<Self, InvalidConfig> {
        let mut read = Vec::new();
        for (name, tenant) in &config.tenants {
            for (key, place, secret) in tenant.all_keys() {
                let caller = Caller { tenant: name.as_str().into(), key: key.map(Into::into) };
                read.push((secret.resolve(&format!("tenants.{name}.{place}"))?, caller));
            }
        }
        Ok(Self(read.into()))
    }

    /// Whose key a request shows, as OpenAI's clients do or as Anthropic's; `None` is the tenant `default`.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<&Caller> {
        if self.0.is_empty() {
            return None;
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let shown = [bearer, headers.get("x-api-key").map(HeaderValue::as_bytes)];
        shown.into_iter().flatten().find_map(|shown| self.whose(shown))
    }

    fn whose(&self, shown: &[u8]) -> Option<&Caller> {
        // All are looked at, whichever it is.
        self.0.iter().fold(None, |found, (key, caller)| {
            if same(shown, key.expose_secret().as_bytes()) { Some(caller) } else { found }
        })
    }
}

/// The token of an authorization whose scheme, in any case, is `Bearer`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares in a time that tells nothing of where they differ.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |seen, (a, b)| seen | (a ^ b));
    one.len() == other.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_tenants_and_any_other_is_nobodys() {
        let keys = [("sk-acme", "acme", None), ("sk-beta", "beta", None), ("sk-web", "acme", Some("web"))];
        let keys = keys.map(|(key, tenant, name)| {
            (SecretString::from(key), Caller { tenant: tenant.into(), key: name.map(Into::into) })
        });
        let tenants = Tenants(keys.into());
        let of = |caller: &Caller| {
            [Some(&*caller.tenant), caller.key.as_deref()]
                .map(|name| name.unwrap_or("-").to_owned())
                .join(" ")
        };
        let shown = |name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            tenants.find(&headers).map(of)
        };
        assert_eq!(shown("authorization", "Bearer sk-acme").as_deref(), Some("acme -"));
        assert_eq!(shown("x-api-key", "sk-beta").as_deref(), Some("beta -"));
        assert_eq!(shown("x-api-key", "sk-web").as_deref(), Some("acme web"));
        assert_eq!(shown("authorization", "bearer  sk-acme").as_deref(), Some("acme -"));
        let both = [("authorization", "Bearer other"), ("x-api-key", "sk-acme")];
        let both = both.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        assert_eq!(tenants.find(&HeaderMap::from_iter(both)).map(of).as_deref(), Some("acme -"));
        for other in ["Bearer sk-acm", "Bearer sk-acme1", "Bearer ", "sk-acme"] {
            assert_eq!(shown("authorization", other), None, "{other}");
        }
        assert!(!format!("{tenants:?}").contains("sk-"), "{tenants:?}");
    }
}
