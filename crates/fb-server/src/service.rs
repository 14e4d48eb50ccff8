use std::{
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use fb::{Client, Config, Dialect, ErrorCode, InvalidConfig};
use http::Request;

use crate::{
    admin::{AdminState, OperatorEndpoint},
    auth::ApiKeys,
    body::{Body, Response},
    config::{AdminConfig, DirectTargets, ServerConfig},
    dialects::{self, OpenAiChat},
    door::Door,
    doors,
    error::{Rejection, print_in},
    origin::{Access, OriginPolicy, permit},
    rejected::{Reporter, RequestLine, set_tenant},
    report_headers::Exposed,
    request_body::BodyReader,
    routing::{BoxError, Methods, ResponseFuture, no_such_path, path_parameter},
    shutdown::{ENDED, Shutdown},
    state::State,
};

#[cfg(test)]
mod tests;

/// The name of the listener in log and metrics.
pub(crate) const LISTENER: &str = "gateway";

/// The gateway's endpoints as one tower service, which needs no socket.
///
/// The service accepts requests with any body, is always ready and never fails: errors are responses. Clones share the
/// client and the limit on buffered request bodies.
///
/// | endpoint | answer |
/// |---|---|
/// | `POST /v1/chat/completions` | a chat completion, plain or streamed |
/// | `POST /v1/messages` | the same in Anthropic's dialect |
/// | `POST /v1/messages/count_tokens` | the tokens of a prompt, estimated |
/// | `POST /v1/completions`, `POST /v1/completions/circuit` | the text with its provider, model and level |
/// | `GET /v1/models`, `GET /v1/models/ID` | the names of routes and targets |
/// | `GET /livez` | `ok` |
/// | `GET /readyz` | 200 if at least one target is usable, else 503 |
///
/// [`with_operator_routes`](Self::with_operator_routes) adds more. Any other path is answered with 404, another method with 405.
///
/// # Examples
///
/// ```
/// # use fb::{Client, Config, Route, Target};
/// use bytes::Bytes;
/// use fb_server::{ServerConfig, Service};
/// use http_body_util::{BodyExt, Full};
/// use tower_service::Service as _;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let script = fb_testkit::script("openai: 200");
/// # let provider = script.provider("openai");
/// let client = Client::builder()
///     .provider("openai", provider)
///     .route(Route::priority("default", [Target::new("openai", "gpt-6.1-sol")]))
///     .build()?;
/// let mut service = Service::new(client, &ServerConfig::default(), &Config::default())?;
///
/// let body = r#"{"model": "default", "messages": [{"role": "user", "content": "hi"}]}"#;
/// let request = http::Request::post("/v1/chat/completions").body(Full::new(Bytes::from(body)))?;
/// let response = service.call(request).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers()["x-fb-served-by"], "openai/gpt-6.1-sol");
/// let body = response.into_body().collect().await?.to_bytes();
/// assert!(body.starts_with(b"{"));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Service {
    state: Arc<State>,
}

impl Service {
    /// Creates the service of a client.
    ///
    /// `config` is the configuration that the client was built from: its tenants' API keys map requests to tenants. Of
    /// `server`, only `max_body`, `max_bodies`, `body_timeout`, `heartbeat` and `early_headers` apply; the other settings are
    /// the listener's.
    ///
    /// # Errors
    ///
    /// Returns an error if the API key of a tenant cannot be read.
    pub fn new(client: Client, server: &ServerConfig, config: &Config) -> Result<Self, InvalidConfig> {
        let (keys, bodies) = (ApiKeys::from_config(config)?, BodyReader::new(server));
        let heartbeat = Some(server.heartbeat).filter(|interval| !interval.is_zero());
        let early_headers = server.early_headers;
        // With keys, what a tenant may call is decided by its routes.
        let default = if keys.is_empty() { DirectTargets::Allow } else { DirectTargets::Deny };
        let denies_direct_targets = server.direct_targets.unwrap_or(default) == DirectTargets::Deny;
        let exposed = Exposed { trace: server.expose_trace, costs: server.expose_costs };
        let state = State {
            reporter: Reporter::new(client.clone(), LISTENER),
            client,
            keys,
            bodies,
            heartbeat,
            early_headers,
            shutdown: Shutdown::new(),
            origins: OriginPolicy::new(&server.cors),
            denies_direct_targets,
            exposed,
            operators: None,
            serves_operators: false,
        };
        Ok(Self { state: Arc::new(state) })
    }

    /// Restricts the host names that a listener on this address serves: see [`ServerConfig::hosts`]. [`start`](crate::start)
    /// does so.
    #[must_use]
    pub fn on(self, address: IpAddr, server: &ServerConfig) -> Self {
        let origins = self.state.origins.clone().on(address, &server.hosts);
        Self { state: Arc::new(State { origins, ..(*self.state).clone() }) }
    }

    pub(crate) fn shutdown(&self) -> Shutdown {
        self.state.shutdown.clone()
    }

    /// Returns the details of `GET /readyz` to requests with the token of `admin`.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is configured and cannot be read.
    pub fn with_operators(self, admin: &AdminConfig) -> Result<Self, InvalidConfig> {
        let operators = AdminState::new(self.state.client.clone(), admin)?;
        let state = State { operators: Some(Arc::new(operators)), ..(*self.state).clone() };
        Ok(Self { state: Arc::new(state) })
    }

    /// Adds `GET /v1/health`, `GET /v1/circuits` and `GET`, `POST /v1/degradation/level`. Unlike those of
    /// [`AdminService`](crate::AdminService), all of them need the token of `admin`.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is configured and cannot be read.
    pub fn with_operator_routes(self, admin: &AdminConfig) -> Result<Self, InvalidConfig> {
        let service = self.with_operators(admin)?;
        let state = State { serves_operators: true, ..(*service.state).clone() };
        Ok(Self { state: Arc::new(state) })
    }
}

impl<B> tower_service::Service<Request<B>> for Service
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
        let (state, line) = (Arc::clone(&self.state), RequestLine::of(&request));
        let (method, door) = (line.method().clone(), dialects::of(request.uri().path()));
        ResponseFuture::new(&method, async move {
            let mut response = match state.origins.check(&request) {
                Ok(Access::Plain) => respond_in_time(&state, request).await,
                Ok(Access::Foreign(origin)) => {
                    let mut response = respond_in_time(&state, request).await;
                    permit(&mut response, origin);
                    response
                }
                Ok(Access::Preflight(response)) => response,
                Err(rejection) => rejection.into_response(),
            };
            if door.dialect() != Dialect::OpenAi {
                print_in(door, &mut response);
            }
            door.write_request_id(response.headers_mut());
            state.reporter.report(&line, &response);
            response
        })
    }
}

/// An endpoint, found by its path.
enum Endpoint<'a> {
    Chat(&'static dyn Door),
    CountTokens,
    Completions,
    Models,
    Model(&'a str),
    Liveness,
    Readiness,
}

impl<'a> Endpoint<'a> {
    fn find(path: &'a str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" | "/v1/messages" => Self::Chat(dialects::of(path)),
            "/v1/messages/count_tokens" => Self::CountTokens,
            "/v1/completions" | "/v1/completions/circuit" => Self::Completions,
            "/v1/models" => Self::Models,
            "/livez" => Self::Liveness,
            "/readyz" => Self::Readiness,
            _ => Self::Model(path.strip_prefix("/v1/models/").filter(|id| !id.is_empty())?),
        })
    }

    const fn methods(&self) -> Methods {
        match self {
            Self::Chat(_) | Self::CountTokens | Self::Completions => Methods::Post,
            Self::Models | Self::Model(_) | Self::Liveness | Self::Readiness => Methods::Get,
        }
    }
}

/// Answers a request, with 503 if the server ends before.
async fn respond_in_time<B>(state: &State, request: Request<B>) -> Response
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    tokio::select! {
        biased;
        response = respond(state, request) => response,
        () = state.shutdown.ended() => {
            Rejection::new(ErrorCode::Overloaded, ENDED).into_response()
        }
    }
}

async fn respond<B>(state: &State, request: Request<B>) -> Response
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (method, path) = (request.method(), request.uri().path());
    if let Some(operators) = state.operators.as_ref().filter(|_| state.serves_operators)
        && let Some(endpoint) = OperatorEndpoint::find(path)
    {
        let response = respond_to_operator(endpoint, operators, request).await;
        return response.unwrap_or_else(Rejection::into_response);
    }
    let Some(endpoint) = Endpoint::find(path) else { return no_such_path(method, path) };
    if !endpoint.methods().accept(method) {
        return endpoint.methods().refuse(method, path);
    }
    let caller = match endpoint {
        // Neither names anything, and balancers have no key.
        Endpoint::Liveness | Endpoint::Readiness => None,
        // Before the body is read.
        _ => match state.keys.authenticate(request.headers()) {
            Ok(caller) => caller,
            Err(rejection) => return rejection.into_response(),
        },
    };
    let mut response = match endpoint {
        Endpoint::Chat(door) => {
            let mut response = doors::chat(door, state, request, caller).await;
            door.write_limits(response.headers_mut(), &state.allowances(caller));
            response
        }
        Endpoint::CountTokens => doors::count_tokens(state, request).await,
        Endpoint::Completions => {
            let mut response = doors::completions(state, request, caller).await;
            OpenAiChat.write_limits(response.headers_mut(), &state.allowances(caller));
            response
        }
        Endpoint::Models => doors::models(state, request.headers(), caller),
        Endpoint::Model(id) => match path_parameter(id) {
            Ok(id) => doors::model(state, &id, request.headers(), caller),
            Err(rejection) => rejection.into_response(),
        },
        Endpoint::Liveness => doors::livez(),
        Endpoint::Readiness => doors::readyz(state, request.headers()),
    };
    if let Some(caller) = caller {
        set_tenant(&mut response, &caller.tenant);
    }
    response
}

/// Answers an operator on the listener of the clients, where reading needs the admin token too.
async fn respond_to_operator<B>(
    endpoint: OperatorEndpoint,
    state: &AdminState,
    request: Request<B>,
) -> Result<Response, Rejection>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    if !endpoint.methods().accept(&parts.method) {
        return Ok(endpoint.methods().refuse(&parts.method, parts.uri.path()));
    }
    state.authorize(&parts.headers)?;
    endpoint.respond(state, &parts, body).await
}
