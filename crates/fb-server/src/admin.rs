//! The admin API.

mod audit;
mod cache;
mod change;
mod circuits;
mod health;
mod json;
mod level;
mod operator;
mod providers;
mod query;
mod routes;
mod state;
mod stats;
mod tenants;
mod traces;

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use fb::{Client, InvalidConfig};
use fb_telemetry::Metrics;
use http::{HeaderValue, Method, Request, request::Parts};

pub(crate) use self::{operator::OperatorEndpoint, state::AdminState};
use crate::{
    body::{self, Body, Response},
    config::AdminConfig,
    error::Rejection,
    origin::OriginPolicy,
    rejected::{Reporter, RequestLine},
    routing::{BoxError, Methods, ResponseFuture, no_such_path, path_parameter},
    telemetry::Scrape,
};

#[cfg(test)]
mod tests;

/// The name of the listener in log and metrics.
pub(crate) const LISTENER: &str = "admin";

/// The admin API as a tower service, which needs no socket.
///
/// The service accepts requests with any body, is always ready and never fails: errors are responses. Changes need the token of
/// [`AdminConfig`], and so does reading where one is set, except for `/metrics` with `open_metrics`. Requests of web pages of
/// other origins are refused.
///
/// | endpoint | answer or effect |
/// |---|---|
/// | `GET /v1/health` | health of every target |
/// | `GET /v1/stats` | counts and rates, in total, by provider and by target |
/// | `GET /v1/circuits`, `POST /v1/circuits/TARGET` | circuit breakers; forces one open or closed, or resets it |
/// | `GET /v1/cache`, `POST /v1/cache/purge` | cache statistics; removes cached answers |
/// | `GET`, `POST /v1/degradation/level` | the level of every route; sets it |
/// | `GET`, `POST /v1/providers`, `DELETE /v1/providers/NAME` | names of the providers; adds, replaces or removes one |
/// | `GET /v1/routes`, `PUT`, `DELETE /v1/routes/NAME` | names of the routes; adds, replaces or removes one |
/// | `GET /v1/tenants` | usage of every tenant |
/// | `GET /v1/traces`, `GET /v1/traces/ID` | the latest requests; one of them in full |
/// | `GET /metrics` | metrics in Prometheus' text format |
#[derive(Debug, Clone)]
pub struct AdminService {
    state: Arc<AdminState>,
    scrape: Scrape,
    origins: OriginPolicy,
    open_metrics: bool,
    reporter: Reporter,
}

impl AdminService {
    /// Creates the admin service of a client. Of `config`, `token` and `open_metrics` apply; the address is the listener's.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is configured and cannot be read.
    pub fn new(client: Client, scrape: Scrape, config: &AdminConfig) -> Result<Self, InvalidConfig> {
        let reporter = Reporter::new(client.clone(), LISTENER);
        let (state, origins) = (Arc::new(AdminState::new(client, config)?), OriginPolicy::default());
        Ok(Self { state, scrape, origins, open_metrics: config.open_metrics, reporter })
    }

    /// Restricts the host names that a listener on this address serves: see [`AdminConfig::hosts`].
    /// [`start_admin`](crate::start_admin) does so.
    #[must_use]
    pub fn on(self, address: IpAddr, config: &AdminConfig) -> Self {
        Self { origins: self.origins.on(address, &config.hosts), ..self }
    }
}

impl<B> tower_service::Service<Request<B>> for AdminService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let (service, line) = (self.clone(), RequestLine::of(&request));
        let method = line.method().clone();
        ResponseFuture::new(&method, async move {
            let response = service.respond(request).await.unwrap_or_else(Rejection::into_response);
            service.reporter.report(&line, &response);
            response
        })
    }
}

/// An endpoint, found by its path.
enum Endpoint<'a> {
    Stats,
    Operator(OperatorEndpoint),
    Circuit(&'a str),
    Cache,
    Purge,
    Providers,
    Provider(&'a str),
    Routes,
    Route(&'a str),
    Tenants,
    Traces,
    Trace(&'a str),
    Metrics,
}

impl<'a> Endpoint<'a> {
    fn find(path: &'a str) -> Option<Self> {
        if let Some(endpoint) = OperatorEndpoint::find(path) {
            return Some(Self::Operator(endpoint));
        }
        Some(match path {
            "/v1/stats" => Self::Stats,
            "/v1/cache" => Self::Cache,
            "/v1/cache/purge" => Self::Purge,
            "/v1/providers" => Self::Providers,
            "/v1/routes" => Self::Routes,
            "/v1/tenants" => Self::Tenants,
            "/v1/traces" => Self::Traces,
            "/metrics" => Self::Metrics,
            _ => {
                let (collection, item) = path.strip_prefix("/v1/")?.split_once('/')?;
                match collection {
                    _ if item.is_empty() => return None,
                    "circuits" => Self::Circuit(item),
                    // The names of targets and of routes may have a slash, those below it do not.
                    "routes" => Self::Route(item),
                    _ if item.contains('/') => return None,
                    "providers" => Self::Provider(item),
                    "traces" => Self::Trace(item),
                    _ => return None,
                }
            }
        })
    }

    const fn methods(&self) -> Methods {
        match self {
            Self::Operator(endpoint) => endpoint.methods(),
            Self::Stats | Self::Cache | Self::Tenants | Self::Traces | Self::Trace(_) | Self::Metrics => {
                Methods::Get
            }
            Self::Circuit(_) | Self::Purge => Methods::Post,
            Self::Providers => Methods::GetAndPost,
            Self::Provider(_) => Methods::Delete,
            Self::Routes => Methods::Get,
            Self::Route(_) => Methods::PutAndDelete,
        }
    }
}

impl AdminService {
    async fn respond<B>(&self, request: Request<B>) -> Result<Response, Rejection>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        self.origins.check(&request)?;
        let (parts, body) = request.into_parts();
        let (method, path) = (&parts.method, parts.uri.path());
        let Some(endpoint) = Endpoint::find(path) else { return Ok(no_such_path(method, path)) };
        if !endpoint.methods().accept(method) {
            return Ok(endpoint.methods().refuse(method, path));
        }
        let is_open = self.open_metrics && matches!(endpoint, Endpoint::Metrics);
        if (method == Method::GET || method == Method::HEAD) && !is_open {
            self.state.authorize_read(&parts.headers)?;
        }
        respond(&self.state, &self.scrape, endpoint, &parts, body).await
    }
}

async fn respond<B>(
    state: &AdminState,
    scrape: &Scrape,
    endpoint: Endpoint<'_>,
    parts: &Parts,
    body: B,
) -> Result<Response, Rejection>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let method = &parts.method;
    match endpoint {
        Endpoint::Stats => Ok(stats::stats(state)),
        Endpoint::Operator(endpoint) => endpoint.respond(state, parts, body).await,
        Endpoint::Circuit(target) => circuits::change(state, &path_parameter(target)?, parts, body).await,
        Endpoint::Cache => Ok(cache::stats(state)),
        Endpoint::Purge => cache::purge(state, parts, body).await,
        Endpoint::Providers if method == Method::POST => providers::add(state, parts, body).await,
        Endpoint::Providers => Ok(providers::list(state)),
        Endpoint::Provider(name) => providers::remove(state, &path_parameter(name)?, parts, body).await,
        Endpoint::Routes => Ok(routes::list(state)),
        Endpoint::Route(name) if method == Method::PUT => {
            routes::set(state, path_parameter(name)?, parts, body).await
        }
        Endpoint::Route(name) => routes::remove(state, &path_parameter(name)?, parts),
        Endpoint::Tenants => Ok(tenants::list(state)),
        Endpoint::Traces => traces::list(state, parts.uri.query()),
        Endpoint::Trace(id) => traces::find(state, &path_parameter(id)?, &parts.headers),
        Endpoint::Metrics => {
            let content_type = HeaderValue::from_static(Metrics::CONTENT_TYPE);
            Ok(body::response(content_type, scrape.render(&state.client)))
        }
    }
}
