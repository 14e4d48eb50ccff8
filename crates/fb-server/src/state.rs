use std::{sync::Arc, time::Duration};

use fb::{Allowances, ChatRequest, Client, Options};

use crate::{
    admin::AdminState,
    auth::{ApiKeys, Caller},
    origin::OriginPolicy,
    rejected::Reporter,
    report_headers::Exposed,
    request_body::BodyReader,
    shutdown::Shutdown,
};

/// The state shared by all requests of a service.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) client: Client,
    pub(crate) reporter: Reporter,
    pub(crate) keys: ApiKeys,
    pub(crate) bodies: BodyReader,
    /// The longest silence of a stream; `None` for no limit.
    pub(crate) heartbeat: Option<Duration>,
    /// The time after which the head of a stream is sent in any case.
    pub(crate) early_headers: Option<Duration>,
    pub(crate) shutdown: Shutdown,
    pub(crate) origins: OriginPolicy,
    /// True if only routes and aliases are accepted as models, and only targets of the route as preferred ones.
    pub(crate) denies_direct_targets: bool,
    pub(crate) exposed: Exposed,
    /// Set where operators are known by their token.
    pub(crate) operators: Option<Arc<AdminState>>,
    /// True if the operators' endpoints are served too.
    pub(crate) serves_operators: bool,
}

impl State {
    /// Restricts a request to routes and their targets, where others are denied.
    pub(crate) fn restrict(&self, request: ChatRequest) -> ChatRequest {
        if !self.denies_direct_targets {
            return request;
        }
        let options = Options { refuse_direct: true, ..request.options().clone() };
        request.with_options(options)
    }

    /// Returns what is left of the limits per minute of a caller.
    pub(crate) fn allowances(&self, caller: Option<&Caller>) -> Allowances {
        let (tenant, key) =
            (caller.map(|caller| &*caller.tenant), caller.and_then(|caller| caller.key.as_deref()));
        self.client.allowances(tenant, key)
    }

    /// Returns the values of `model` that a caller may send.
    pub(crate) fn models(&self, caller: Option<&Caller>) -> Vec<String> {
        let mut models = self.client.models_of(caller.map_or("default", |caller| &*caller.tenant));
        models.retain(|model| !self.denies_direct_targets || self.client.has_route(model));
        models
    }
}
