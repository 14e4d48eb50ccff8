use std::sync::Arc;

use fb::Client;

use crate::{admin::AdminState, auth::ApiKeys, request_body::BodyReader};

/// The state shared by all requests of a service.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) client: Client,
    pub(crate) keys: ApiKeys,
    pub(crate) bodies: BodyReader,
    /// Set if the operators' endpoints are served too.
    pub(crate) operators: Option<Arc<AdminState>>,
}
