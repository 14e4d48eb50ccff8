use fb::{Client, ErrorCode};
use http::{HeaderMap, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};

use crate::{auth::constant_time_eq, error::Rejection, telemetry::Scrape};

/// The state shared by all requests of the admin API.
#[derive(Debug)]
pub(super) struct AdminState {
    pub(super) client: Client,
    pub(super) scrape: Scrape,
    /// Without a token every change is refused.
    pub(super) token: Option<SecretString>,
}

impl AdminState {
    /// Refuses a change unless the request carries the admin token.
    pub(super) fn authorize(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let Some(token) = &self.token else {
            let message = "nothing can be changed here: no admin.token is configured";
            return Err(Rejection::new(ErrorCode::AdminTokenNotConfigured, message));
        };
        let presented =
            headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if presented.is_some_and(|presented| constant_time_eq(presented, token.expose_secret().as_bytes())) {
            return Ok(());
        }
        let message = "expected Authorization: Bearer and the admin token";
        Err(Rejection::new(ErrorCode::InvalidAdminToken, message))
    }
}
