use fb::Client;

use crate::{auth::Tenants, request_body::Bodies};

/// What every handler sees.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) client: Client,
    pub(crate) tenants: Tenants,
    pub(crate) bodies: Bodies,
}
