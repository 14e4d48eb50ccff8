use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

/// A complete answer of a healthy provider, or its error response to an invalid request, before any fault is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Delay before the first byte.
    pub(crate) latency: Duration,
    pub(crate) body: AnswerBody,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnswerBody {
    Plain(Bytes),
    Events {
        events: Vec<Bytes>,
        /// Pause between two events.
        gap: Duration,
    },
}

impl Answer {
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, latency: Duration::ZERO, body: AnswerBody::Plain(body.into()) }
    }

    pub(crate) fn events(content_type: &str, events: Vec<Bytes>, gap: Duration) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status: 200, headers, latency: Duration::ZERO, body: AnswerBody::Events { events, gap } }
    }

    pub(crate) fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Replaces this answer by `error`, but keeps its id headers.
    pub(crate) fn replaced_by(self, error: Self) -> Self {
        let body_headers = ["content-type", "cache-control"];
        let mut headers = self.headers;
        headers.retain(|(name, _)| !body_headers.contains(&name.as_str()));
        headers.extend(error.headers);
        Self { headers, ..error }
    }

    /// Sets a header, replacing any previous one of the same name.
    pub(crate) fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(&name));
        self.headers.push((name, value.into()));
        self
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> String {
    // The types of this crate have string keys and infallible `Serialize` implementations.
    serde_json::to_string(value).unwrap_or_default()
}
