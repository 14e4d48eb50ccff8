use std::convert::Infallible;

use axum::{
    Router,
    extract::{self, Request},
    http::Method,
    response::Response,
    routing::{get, post},
};
use hyper::body::Incoming;
use tower_service::Service as _;

use crate::{
    admin::{self, Admin},
    doors, error,
    state::State,
};

/// Where nearly all requests go.
const CHAT: &str = "/v1/chat/completions";

/// Answers requests: chats at once, everything else by way of the router, which costs a chat 3 µs of its 35.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// What chats see; none on the operators' listener.
    chats: Option<State>,
    router: Router,
}

impl Service {
    pub(crate) fn new(state: State) -> Self {
        let router = Router::new()
            .route(CHAT, post(chat))
            .route("/v1/completions", post(completions))
            .route("/v1/completions/circuit", post(completions))
            .route("/v1/models", get(doors::models))
            .route("/v1/models/{*id}", get(doors::model))
            .route("/livez", get(doors::livez))
            .route("/readyz", get(doors::readyz))
            .fallback(error::no_such_path)
            .method_not_allowed_fallback(error::wrong_method)
            .with_state(state.clone());
        Self { chats: Some(state), router }
    }

    pub(crate) fn admin(admin: Admin) -> Self {
        let router = admin::router(admin)
            .fallback(error::no_such_path)
            .method_not_allowed_fallback(error::wrong_method);
        Self { chats: None, router }
    }

    pub(crate) async fn answer(mut self, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
        if let Some(state) = &self.chats
            && request.method() == Method::POST
            && request.uri().path() == CHAT
        {
            return Ok(doors::chat(state, request).await);
        }
        self.router.call(request).await
    }
}

async fn completions(extract::State(state): extract::State<State>, request: Request) -> Response {
    doors::completions(&state, request).await
}

async fn chat(extract::State(state): extract::State<State>, request: Request) -> Response {
    doors::chat(&state, request).await
}
