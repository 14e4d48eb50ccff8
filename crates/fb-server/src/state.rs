use std::{sync::Arc, time::Duration};

use fb::Client;

use crate::{admin::AdminState, auth::ApiKeys, request_body::BodyReader};

/// The state shared by all requests of a service.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) client: Client,
    pub(crate) keys: ApiKeys,
    pub(crate) bodies: BodyReader,
    /// The longest silence of a stream; `None` for no limit.
    pub(crate) heartbeat: Option<Duration>,
    /// The time after which the head of a stream is sent in any case.
    pub(crate) early_headers: Option<Duration>,
    /// Set if the operators' endpoints are served too.
    pub(crate) operators: Option<Arc<AdminState>>,
}
