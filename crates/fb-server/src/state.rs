use fb::Client;

use crate::{auth::ApiKeys, request_body::BodyReader};

/// The state shared by all requests of a service.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) client: Client,
    pub(crate) keys: ApiKeys,
    pub(crate) bodies: BodyReader,
}
