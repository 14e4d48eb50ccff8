//! One upstream over HTTP: its clients, its address, its credentials.

mod body;
mod client;
mod error;
mod url;

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use fb_core::{Failure, FailureKind};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

pub use self::client::plain_http_client;
pub(crate) use self::{
    body::Parts,
    client::{Clients, Lease, Settings},
    url::Base,
};
use crate::InvalidConfig;

/// Most bytes of an answer: far above what any model writes, far below what hurts.
const MAX_BODY: usize = 64 << 20;

/// Most bytes read of an error's body.
const MAX_ERROR: usize = 64 << 10;

/// How long an error's body may take. Its status is there, and would be lost if the call's time ran out here.
const ERROR_PATIENCE: Duration = Duration::from_secs(1);

/// One account at an upstream: where it is, how to reach it, who we are.
pub(crate) struct Upstream {
    base: Base,
    headers: HeaderMap,
    clients: Clients,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of sensitive headers print as "Sensitive".
        f.debug_struct("Upstream")
            .field("base", &self.base)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    pub(crate) fn new(
        base: Base,
        mut headers: HeaderMap,
        settings: &Settings,
    ) -> Result<Self, InvalidConfig> {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let clients = Clients::new(&base, settings)?;
        Ok(Self { base, headers, clients })
    }

    /// Sends a body; returns when the head of the answer is there.
    pub(crate) async fn post(&self, url: &reqwest::Url, body: Parts) -> Result<Answer, Failure> {
        let mut request = self.request(Method::POST, url);
        *request.body_mut() = Some(body.into_body());
        Answer::receive(self.clients.lease(), request).await
    }

    /// Asks for a resource; returns when the head of the answer is there.
    pub(crate) async fn get(&self, url: &reqwest::Url) -> Result<Answer, Failure> {
        Answer::receive(self.clients.lease(), self.request(Method::GET, url)).await
    }

    fn request(&self, method: Method, url: &reqwest::Url) -> reqwest::Request {
        let mut request = reqwest::Request::new(method, url.clone());
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

/// An answer whose head is there. Dropped, it drops the connection, or resets its HTTP/2 stream.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Incoming,
}

impl Answer {
    async fn receive(lease: Lease, request: reqwest::Request) -> Result<Self, Failure> {
        let mut response = lease.client().execute(request).await.map_err(error::sending)?;
        let headers = std::mem::take(response.headers_mut());
        let status = response.status().as_u16();
        Ok(Self { status, headers, body: Incoming { response, seen: None, _lease: lease } })
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn into_body(self) -> Incoming {
        self.body
    }

    /// Whether the body begins as JSON does; waits for its first bytes.
    pub(crate) async fn begins_as_json(&mut self) -> Result<bool, Failure> {
        while let Some(chunk) = self.body.chunk().await? {
            let first = chunk.trim_ascii_start().first().copied();
            if let Some(first) = first {
                self.body.seen = Some(chunk);
                return Ok(matches!(first, b'{' | b'['));
            }
        }
        Ok(true)
    }

    /// The whole body, bounded.
    pub(crate) async fn collect(self) -> Result<Bytes, Failure> {
        let mut body = self.body;
        let Some(first) = body.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = body.chunk().await? else { return Ok(first) };
        let mut whole = BytesMut::with_capacity(2 * (first.len() + second.len()));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = body.chunk().await? {
            if whole.len() + chunk.len() > MAX_BODY {
                let detail = format!("the answer is larger than {} MiB", MAX_BODY >> 20);
                return Err(Failure::new(FailureKind::Malformed, detail));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The beginning of an error's body; what cannot be read is left out, as the status says enough.
    pub(crate) async fn collect_error(&mut self) -> Bytes {
        let mut whole = BytesMut::new();
        let end = Instant::now() + ERROR_PATIENCE;
        while whole.len() < MAX_ERROR {
            match timeout_at(end, self.body.chunk()).await {
                Ok(Ok(Some(chunk))) => whole.extend_from_slice(&chunk),
                Ok(Ok(None) | Err(_)) | Err(_) => break,
            }
        }
        whole.truncate(MAX_ERROR);
        whole.freeze()
    }
}

/// The body of an answer as it comes in.
#[derive(Debug)]
pub(crate) struct Incoming {
    response: reqwest::Response,
    /// What was looked at and not yet taken.
    seen: Option<Bytes>,
    _lease: Lease,
}

impl Incoming {
    /// The next bytes; `None` at the end HTTP promised.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(seen) = self.seen.take() {
            return Ok(Some(seen));
        }
        self.response.chunk().await.map_err(error::reading)
    }
}

/// How a key goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone in this header.
    Named(&'static str),
}

impl KeyHeader {
    /// Puts the key into headers that are made once; it prints as "Sensitive".
    pub(crate) fn insert(self, headers: &mut HeaderMap, key: &SecretString) -> Result<(), InvalidConfig> {
        let (name, mut text) = match self {
            Self::Bearer => (http::header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
            Self::Named(name) => (HeaderName::from_static(name), key.expose_secret().to_owned()),
        };
        let value = HeaderValue::try_from(std::mem::take(&mut text));
        let mut value = value.map_err(|_invalid| {
            InvalidConfig::new(
                "api_key",
                "(hidden)",
                "expected a key of visible ASCII characters, without line breaks",
            )
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }
}

/// Adds a header whose value comes from a config.
pub(crate) fn header(
    headers: &mut HeaderMap,
    name: &'static str,
    field: &str,
    value: &str,
) -> Result<(), InvalidConfig> {
    let parsed = HeaderValue::from_str(value)
        .map_err(|error| InvalidConfig::quoted(field, value, format!("not usable as a header: {error}")))?;
    headers.insert(HeaderName::from_static(name), parsed);
    Ok(())
}
