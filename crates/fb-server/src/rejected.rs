//! Requests that the server refuses by itself: their line in the log and their count in the metrics.

use std::{net::SocketAddr, sync::Arc};

use fb::{Client, Event, RequestError};
use http::{Method, Request, Uri};
use tracing::info;

use crate::body::Response;

/// Maximum length of a path and of a parameter in the log, in characters.
const MAX_LOGGED: usize = 128;

/// The address that a connection comes from, an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The mark of a response to a refused request, among its extensions. It has names only: the message of the response may
/// quote the request.
#[derive(Debug, Clone)]
pub(crate) struct Rejected {
    pub(crate) error: RequestError,
    /// The field or header at fault.
    pub(crate) param: Option<String>,
    pub(crate) tenant: Option<Arc<str>>,
}

/// What the log has of a refused request besides its error.
#[derive(Debug, Clone)]
pub(crate) struct RequestLine {
    method: Method,
    uri: Uri,
    peer: Option<Peer>,
}

impl RequestLine {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let peer = request.extensions().get().copied();
        Self { method: request.method().clone(), uri: request.uri().clone(), peer }
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }
}

/// Adds the tenant to the mark of a refused request.
pub(crate) fn set_tenant(response: &mut Response, tenant: &Arc<str>) {
    if let Some(rejected) = response.extensions_mut().get_mut::<Rejected>() {
        rejected.tenant = Some(Arc::clone(tenant));
    }
}

/// Logs and counts the refused requests of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    client: Client,
    listener: &'static str,
}

impl Reporter {
    /// Creates the reporter of a listener, which reports to the observer of the client.
    pub(crate) const fn new(client: Client, listener: &'static str) -> Self {
        Self { client, listener }
    }

    /// Reports the request if it was refused.
    pub(crate) fn report(&self, line: &RequestLine, response: &Response) {
        let Some(Rejected { error, param, tenant }) = response.extensions().get() else { return };
        info!(
            target: "fb::rejected",
            id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()),
            listener = self.listener,
            status = error.status,
            code = error.code,
            param = param.as_deref().map(shorten),
            tenant = tenant.as_deref(),
            peer = line.peer.map(|Peer(address)| display(address)),
            method = line.method.as_str(),
            path = shorten(line.uri.path()),
            "request refused"
        );
        self.count(*error);
    }

    /// Reports a connection that ended because the head of a request was malformed or incomplete.
    pub(crate) fn report_connection(&self, peer: SocketAddr, error: RequestError) {
        let (listener, RequestError { status, code, .. }) = (self.listener, error);
        info!(target: "fb::rejected", listener, status, code, %peer, "request refused");
        self.count(error);
    }

    fn count(&self, error: RequestError) {
        self.client.publish(&Event::Rejected { listener: self.listener, error });
    }
}

fn shorten(text: &str) -> &str {
    text.char_indices().nth(MAX_LOGGED).map_or(text, |(end, _)| &text[..end])
}
