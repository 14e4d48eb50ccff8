//! An upstream over HTTP: its clients, address and credentials.

mod body;
mod client;
mod connect;
mod error;
mod key;
mod url;

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use fb_core::{Failure, FailureKind, InvalidConfig, KeyInfo};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header::AsHeaderName};
use tokio::time::{Instant, timeout_at};

#[cfg(feature = "http-client")]
pub use self::client::plain_http_client;
pub(crate) use self::{
    body::BodyParts,
    client::Settings,
    key::{KeyHeader, Keys},
    url::Base,
};
use self::{
    body::Incoming,
    client::{Clients, Lease},
    key::Credentials,
};

/// Maximum size of a response body, in bytes: far above any model's output, and small enough to buffer.
const MAX_BODY: usize = 64 << 20;

/// Maximum number of bytes read of an error body.
const MAX_ERROR_BODY: usize = 64 << 10;

/// Maximum time to read an error body. The status is known already, and would be lost if the call timed out here.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// One account at an upstream: its address, HTTP clients and credentials.
pub(crate) struct Upstream {
    base: Base,
    credentials: Credentials,
    clients: Clients,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of sensitive headers print as "Sensitive".
        f.debug_struct("Upstream")
            .field("base", &self.base)
            .field("headers", &self.credentials.headers(0))
            .finish_non_exhaustive()
    }
}

impl Upstream {
    pub(crate) fn new(
        base: Base,
        mut headers: HeaderMap,
        keys: Keys,
        settings: &Settings,
    ) -> Result<Self, InvalidConfig> {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &settings.headers {
            if headers.contains_key(name) || (!keys.keys.is_empty() && keys.header.is(name)) {
                let expected = "expected another header; a setting of the provider has this one";
                return Err(InvalidConfig::new(format!("headers.{name}"), "(hidden)", expected));
            }
            headers.insert(name, value.clone());
        }
        settings.add_client_headers(&mut headers);
        let credentials = Credentials::new(&headers, keys)?;
        let clients = Clients::new(&base, settings)?;
        Ok(Self { base, credentials, clients })
    }

    /// Posts a body with one of the keys; returns once the head of the response has arrived. A header of the caller replaces
    /// that of the settings; features in `anthropic-beta` add up.
    pub(crate) async fn post(
        &self,
        uri: Uri,
        body: BodyParts,
        headers: CallerHeaders,
        key: usize,
    ) -> Result<Response, Failure> {
        let mut request = self.request(Method::POST, uri, body, key);
        for (name, value) in headers {
            if name == "anthropic-beta" {
                request.headers_mut().append(name, value);
            } else {
                request.headers_mut().insert(name, value);
            }
        }
        Response::receive(self.clients.lease(), request).await
    }

    /// Gets a resource with one of the keys; returns once the head of the response has arrived.
    pub(crate) async fn get(&self, uri: &Uri, key: usize) -> Result<Response, Failure> {
        let request = self.request(Method::GET, uri.clone(), BodyParts::default(), key);
        Response::receive(self.clients.lease(), request).await
    }

    /// Returns the names and weights of the keys, if there are several.
    pub(crate) fn keys(&self) -> &[KeyInfo] {
        self.credentials.infos()
    }

    /// Reads a key again.
    pub(crate) async fn reload_key(&self, key: usize) {
        self.credentials.reload(key).await;
    }

    /// Returns the generation of a key.
    pub(crate) fn key_generation(&self, key: usize) -> u64 {
        self.credentials.generation(key)
    }

    fn request(&self, method: Method, uri: Uri, body: BodyParts, key: usize) -> Request<BodyParts> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.credentials.headers(key);
        request
    }
}

/// The headers of one request that its caller set.
pub(crate) type CallerHeaders = Vec<(HeaderName, HeaderValue)>;

/// A response after its head has arrived. Dropping it closes the connection, or resets its HTTP/2 stream.
#[derive(Debug)]
pub(crate) struct Response {
    status: u16,
    headers: HeaderMap,
    body: ResponseBody,
}

impl Response {
    async fn receive(lease: Lease, request: Request<BodyParts>) -> Result<Self, Failure> {
        let (head, incoming) = lease.send(request).await?.into_parts();
        let body = ResponseBody { incoming, peeked: None, _lease: lease };
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body })
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    pub(crate) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.keys().map(HeaderName::as_str)
    }

    pub(crate) fn into_body(self) -> ResponseBody {
        self.body
    }

    /// Returns true if the body starts like JSON; waits for its first bytes.
    pub(crate) async fn starts_with_json(&mut self) -> Result<bool, Failure> {
        while let Some(chunk) = self.body.chunk().await? {
            let first = chunk.trim_ascii_start().first().copied();
            if let Some(first) = first {
                self.body.peeked = Some(chunk);
                return Ok(matches!(first, b'{' | b'['));
            }
        }
        Ok(true)
    }

    /// Reads the whole body, up to [`MAX_BODY`].
    pub(crate) async fn collect(self) -> Result<Bytes, Failure> {
        let mut body = self.body;
        let Some(first) = body.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = body.chunk().await? else { return Ok(first) };
        let mut bytes = BytesMut::with_capacity(2 * (first.len() + second.len()));
        bytes.extend_from_slice(&first);
        bytes.extend_from_slice(&second);
        while let Some(chunk) = body.chunk().await? {
            if bytes.len() + chunk.len() > MAX_BODY {
                let detail = format!("the answer is larger than {} MiB", MAX_BODY >> 20);
                return Err(Failure::new(FailureKind::Malformed, detail));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Reads the beginning of an error body. Read errors and timeouts truncate it: the status is sufficient.
    pub(crate) async fn collect_error(&mut self) -> Bytes {
        let mut bytes = BytesMut::new();
        let end = Instant::now() + ERROR_BODY_TIMEOUT;
        while bytes.len() < MAX_ERROR_BODY {
            match timeout_at(end, self.body.chunk()).await {
                Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
                Ok(Ok(None) | Err(_)) | Err(_) => break,
            }
        }
        bytes.truncate(MAX_ERROR_BODY);
        bytes.freeze()
    }
}

/// The body of a response while it arrives.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    incoming: Incoming,
    /// A chunk that was inspected but not consumed.
    peeked: Option<Bytes>,
    _lease: Lease,
}

impl ResponseBody {
    /// Returns the next bytes, or `None` at the complete end of the body.
    ///
    /// # Cancel safety
    /// Cancel safe: no bytes are lost.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(peeked) = self.peeked.take() {
            return Ok(Some(peeked));
        }
        self.incoming.chunk().await
    }
}

/// Adds a header with a value from the config field `field`.
pub(crate) fn insert_header(
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
