use fb::{Client, ErrorCode, InvalidConfig};
use http::{HeaderMap, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::{auth::bearer, config::AdminConfig, error::Rejection};

/// The state shared by all requests of operators.
#[derive(Debug, Clone)]
pub(crate) struct AdminState {
    pub(super) client: Client,
    /// Without a token every change is refused.
    token: Option<SecretString>,
}

impl AdminState {
    /// Creates the state of a client with the token of `config`.
    pub(crate) fn new(client: Client, config: &AdminConfig) -> Result<Self, InvalidConfig> {
        let token = config.token.as_ref().map(|token| token.resolve("admin.token")).transpose()?;
        Ok(Self { client, token })
    }

    /// Refuses a request that reads unless it carries the admin token, if there is one.
    pub(crate) fn authorize_read(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        if self.token.is_none() { Ok(()) } else { self.authorize(headers) }
    }

    /// Refuses a request unless it carries the admin token.
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let Some(token) = &self.token else {
            let message = "nothing can be changed here: no admin.token is configured";
            return Err(Rejection::new(ErrorCode::AdminTokenNotConfigured, message));
        };
        let presented = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        if presented.is_some_and(|presented| presented.ct_eq(token.expose_secret().as_bytes()).into()) {
            return Ok(());
        }
        let message = "expected Authorization: Bearer and the admin token";
        Err(Rejection::new(ErrorCode::InvalidAdminToken, message))
    }
}
