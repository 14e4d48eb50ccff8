//! Authentication: maps an API key to its tenant.

use std::sync::Arc;

use fb::{Config, ErrorCode, InvalidConfig};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::error::Rejection;

/// The API keys of all tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApiKeys {
    keys: Arc<[(SecretString, Caller)]>,
    /// Accepts requests without a key although there are keys.
    anonymous: bool,
}

/// An authenticated caller: the tenant, and the name of the key if the tenant has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Arc<str>,
    pub(crate) key: Option<Arc<str>>,
}

impl ApiKeys {
    /// Reads the keys of every tenant from the environment or from files.
    pub(crate) fn from_config(config: &Config) -> Result<Self, InvalidConfig> {
        let mut keys = Vec::new();
        for (name, tenant) in &config.tenants {
            for (key, field, secret) in tenant.all_keys() {
                let caller = Caller { tenant: name.as_str().into(), key: key.map(Into::into) };
                keys.push((secret.resolve(&format!("tenants.{name}.{field}"))?, caller));
            }
        }
        let anonymous = config.tenants.get("default").is_some_and(|tenant| tenant.anonymous);
        Ok(Self { keys: keys.into(), anonymous })
    }

    /// Returns true if no tenant has a key, so that every request is accepted.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the caller of a request, from the header of OpenAI's clients or of Anthropic's. An anonymous request, which
    /// has none, belongs to the tenant `default`.
    ///
    /// # Errors
    ///
    /// Rejects a request without a known key once a tenant has one, except for one without any key where the config
    /// accepts it.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Option<&Caller>, Rejection> {
        if self.is_empty() {
            return Ok(None);
        }
        let authorization = headers.get(AUTHORIZATION);
        let token = authorization.and_then(|value| bearer(value.as_bytes()));
        let key = headers.get("x-api-key").map(HeaderValue::as_bytes);
        if let Some(caller) = [token, key].into_iter().flatten().find_map(|key| self.lookup(key)) {
            return Ok(Some(caller));
        }
        let is_missing = authorization.is_none() && key.is_none();
        if is_missing && self.anonymous {
            return Ok(None);
        }
        let message = if is_missing {
            "no API key; expected Authorization: Bearer KEY, or x-api-key: KEY"
        } else {
            "unknown API key; expected that of a tenant, as Authorization: Bearer KEY or x-api-key: KEY"
        };
        Err(Rejection::new(ErrorCode::InvalidApiKey, message))
    }

    fn lookup(&self, presented: &[u8]) -> Option<&Caller> {
        // Compare against every key so that timing does not reveal which one matched.
        self.keys.iter().fold(None, |found, (key, caller)| {
            if presented.ct_eq(key.expose_secret().as_bytes()).into() { Some(caller) } else { found }
        })
    }
}

/// Returns the token of an `Authorization` value; the scheme `Bearer` is matched in any case.
pub(crate) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_map_to_their_tenant_and_others_are_rejected() {
        let keys = [("sk-acme", "acme", None), ("sk-beta", "beta", None), ("sk-web", "acme", Some("web"))];
        let keys = keys.map(|(key, tenant, name)| {
            (SecretString::from(key), Caller { tenant: tenant.into(), key: name.map(Into::into) })
        });
        let keys = ApiKeys { keys: keys.into(), anonymous: false };
        let print = |caller: &Caller| {
            [Some(&*caller.tenant), caller.key.as_deref()]
                .map(|name| name.unwrap_or("-").to_owned())
                .join(" ")
        };
        let caller = |name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            keys.authenticate(&headers).ok().flatten().map(print)
        };
        assert_eq!(caller("authorization", "Bearer sk-acme").as_deref(), Some("acme -"));
        assert_eq!(caller("x-api-key", "sk-beta").as_deref(), Some("beta -"));
        assert_eq!(caller("x-api-key", "sk-web").as_deref(), Some("acme web"));
        assert_eq!(caller("authorization", "bearer  sk-acme").as_deref(), Some("acme -"));
        let both = [("authorization", "Bearer other"), ("x-api-key", "sk-acme")];
        let both = both.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        assert_eq!(
            keys.authenticate(&HeaderMap::from_iter(both)).ok().flatten().map(print).as_deref(),
            Some("acme -")
        );
        for other in ["Bearer sk-acm", "Bearer sk-acme1", "Bearer ", "sk-acme"] {
            assert_eq!(caller("authorization", other), None, "{other}");
        }
        assert!(!format!("{keys:?}").contains("sk-"), "{keys:?}");
        let status = |keys: &ApiKeys, headers: &HeaderMap| {
            let found = keys.authenticate(headers);
            found.map_or_else(|rejection| rejection.into_response().status().as_u16(), |_caller| 200)
        };
        let (none, wrong) =
            (HeaderMap::new(), HeaderMap::from_iter([(AUTHORIZATION, "Bearer no".parse().unwrap())]));
        assert_eq!((status(&keys, &none), status(&keys, &wrong)), (401, 401));
        let open = ApiKeys { anonymous: true, ..keys };
        assert_eq!((status(&open, &none), status(&open, &wrong)), (200, 401), "a wrong key is a mistake");
        assert_eq!(status(&ApiKeys::default(), &wrong), 200, "no tenant has a key");
    }
}
