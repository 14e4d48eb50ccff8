//! The endpoints that both listeners can serve: health, circuits and the degradation level.

use bytes::Bytes;
use http::{Method, request::Parts};
use http_body::Body;

use super::{circuits, health, level, state::AdminState};
use crate::{
    body::Response,
    error::Rejection,
    routing::{BoxError, Methods},
};

/// An endpoint for operators, found by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperatorEndpoint {
    Health,
    Circuits,
    Level,
}

impl OperatorEndpoint {
    pub(crate) fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/health" => Self::Health,
            "/v1/circuits" => Self::Circuits,
            "/v1/degradation/level" => Self::Level,
            _ => return None,
        })
    }

    pub(crate) const fn methods(self) -> Methods {
        match self {
            Self::Health | Self::Circuits => Methods::Get,
            Self::Level => Methods::GetAndPost,
        }
    }

    /// Answers a request with an accepted method. Only a change needs the admin token.
    pub(crate) async fn respond<B>(
        self,
        state: &AdminState,
        parts: &Parts,
        body: B,
    ) -> Result<Response, Rejection>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        match self {
            Self::Health => Ok(health::health(state)),
            Self::Circuits => Ok(circuits::list(state)),
            Self::Level if parts.method == Method::POST => level::set(state, parts, body).await,
            Self::Level => Ok(level::list(state)),
        }
    }
}
