use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use hyper_util::{
    client::legacy::Client as DirectClient,
    rt::{TokioExecutor, TokioTimer},
};
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use fb_core::{Failure, InvalidConfig};

use super::{
    body::{BodyParts, Incoming},
    connect::Connector,
    error,
    url::Base,
};
use crate::connection::{Connection, ExtraHeaders};

/// Default maximum duration of connecting, the same as in the providers' own clients. A longer handshake means a lost
/// packet, and a new attempt is faster.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle time before a pooled connection is closed. Below the idle timeout of the providers' load balancers (60 s and
/// more), so that a pooled connection is rarely closed while a request is sent.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Keep-alive interval; detects dead connections within half a minute.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Time after which an HTTP/2 connection with an unanswered ping is dead.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of idle connections per host.
const POOL_MAX_IDLE: usize = 256;

/// Requests in flight on one client before another client is created. hyper keeps one HTTP/2 connection per host and
/// queues requests beyond the server's stream limit, which is commonly 100 (hyper #2197, #3623).
const STREAMS_PER_CLIENT: usize = 90;

/// Maximum number of clients of one upstream.
const MAX_CLIENTS: usize = 64;

/// The `user-agent` of every request.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("fb/", env!("CARGO_PKG_VERSION")));

/// Settings of the HTTP clients of an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    /// The URL of an HTTP proxy. Proxies from the environment are ignored.
    pub(crate) proxy: Option<Base>,
    /// Certificates that are trusted beside those of the system.
    certificates: Vec<CertificateDer<'static>>,
    pub(super) headers: HeaderMap,
    /// The program's HTTP client, in place of those of an upstream.
    own_client: Option<reqwest::Client>,
}

/// Upper limit of the connect timeout.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(300);

impl Settings {
    /// Validates the settings of a config.
    pub(crate) fn new(connection: &Connection) -> Result<Self, InvalidConfig> {
        let Connection { connect_timeout, proxy, ca_file, headers, .. } = connection;
        let own_client = connection.own_client().cloned();
        if own_client.is_some() && (connect_timeout.is_some() || proxy.is_some() || ca_file.is_some()) {
            let expected = "expected no connect_timeout, proxy or ca_file beside it; the client has its own";
            return Err(InvalidConfig::new("http_client", "(set)", expected));
        }
        let connect_timeout = connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        if connect_timeout.is_zero() || connect_timeout > MAX_CONNECT_TIMEOUT {
            let expected = "expected a time above 0 and up to 5 minutes, such as \"5s\"";
            return Err(InvalidConfig::new("connect_timeout", format!("{connect_timeout:?}"), expected));
        }
        let proxy = proxy.as_deref().map(|proxy| Base::parse("proxy", proxy)).transpose()?;
        let certificates = ca_file.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
        Ok(Self { connect_timeout, proxy, certificates, headers: parse_headers(headers)?, own_client })
    }

    /// Adds the headers that identify the client, where nothing else is set. A client of the program has its own.
    pub(super) fn add_client_headers(&self, headers: &mut HeaderMap) {
        if self.own_client.is_none() {
            headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
            headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        }
    }
}

/// Reads the certificates of a PEM file.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidConfig> {
    let invalid = |problem: String| {
        let expected = format!("{problem}; expected a PEM file with certificates");
        InvalidConfig::quoted("ca_file", &path.display().to_string(), expected)
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| invalid(error.to_string()))?;
    if certificates.is_empty() {
        return Err(invalid("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

/// The headers that describe the connection or the body, which fb sets itself.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "te", "transfer-encoding"];

/// Parses additional headers. Their values are marked as sensitive, and no error shows them.
fn parse_headers(headers: &ExtraHeaders) -> Result<HeaderMap, InvalidConfig> {
    let mut parsed = HeaderMap::new();
    for (name, value) in headers.iter() {
        let invalid = |expected: &str| InvalidConfig::new(format!("headers.{name}"), "(hidden)", expected);
        let name: HeaderName =
            name.parse().map_err(|_invalid| invalid("expected the name of a header, such as x-title"))?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(invalid("expected another header; fb sets this one itself"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_invalid| invalid("expected visible ASCII characters, without line breaks"))?;
        value.set_sensitive(true);
        parsed.insert(name, value);
    }
    Ok(parsed)
}

/// The clients of one upstream: one for HTTP/1.1, or as many as the requests in flight need over HTTP/2.
pub(crate) struct Clients {
    /// The settings of further clients, which HTTP/2 may need; `None` if there is one client only.
    template: Option<ClientTemplate>,
    first: Arc<Client>,
    more: Mutex<Vec<Arc<Client>>>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.template.as_ref().map(|template| &template.settings);
        f.debug_struct("Clients").field("settings", &settings).finish_non_exhaustive()
    }
}

impl Clients {
    pub(crate) fn new(base: &Base, settings: &Settings) -> Result<Self, InvalidConfig> {
        let (template, first) = if let Some(client) = &settings.own_client {
            (None, Http::Reqwest(client.clone()))
        } else {
            let tls = tls_config(base, &settings.certificates)?;
            let template = ClientTemplate { tls, settings: settings.clone() };
            let first = template.build().map_err(|error| client_error(base, &error))?;
            (base.is_https().then_some(template), first)
        };
        Ok(Self { template, first: Arc::new(Client::new(first)), more: Mutex::default() })
    }

    /// Returns the client for one more request.
    pub(crate) fn lease(&self) -> Lease {
        let Some(template) = &self.template else { return Lease::new(&self.first) };
        let mut more = self.more.lock();
        let all = || std::iter::once(&self.first).chain(more.iter());
        let fallback = match pick(all().map(|client| client.in_flight.load(Ordering::Relaxed))) {
            Pick::Use(index) => return Lease::new(all().nth(index).unwrap_or(&self.first)),
            Pick::Grow { fallback } => Lease::new(all().nth(fallback).unwrap_or(&self.first)),
        };
        let Ok(client) = template.build() else { return fallback };
        let client = Arc::new(Client::new(client));
        more.push(Arc::clone(&client));
        Lease::new(&client)
    }
}

/// The client for one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    Use(usize),
    /// All clients are full; `fallback` is the least busy one, used if no client can be created.
    Grow {
        fallback: usize,
    },
}

/// Picks the least busy client, the first among equals, or requests another one if that is full.
fn pick(in_flight: impl IntoIterator<Item = usize>) -> Pick {
    let mut count = 0;
    let least_busy = in_flight.into_iter().enumerate().inspect(|_| count += 1).min_by_key(|(_, busy)| *busy);
    match least_busy {
        Some((index, busy)) if busy < STREAMS_PER_CLIENT || count >= MAX_CLIENTS => Pick::Use(index),
        Some((fallback, _)) => Pick::Grow { fallback },
        None => Pick::Grow { fallback: 0 },
    }
}

/// An HTTP client.
enum Http {
    /// hyper's client, which is also the one below reqwest: without the layers between, no request parses its URL.
    Direct(Box<DirectClient<Connector, BodyParts>>),
    /// A client of the program, or of an upstream behind a proxy.
    Reqwest(reqwest::Client),
}

impl Http {
    async fn send(&self, request: Request<BodyParts>) -> Result<http::Response<Incoming>, Failure> {
        match self {
            Self::Direct(client) => {
                let sent = client.request(request).await;
                let response = sent.map_err(|error| error::before_head(error.is_connect(), error))?;
                Ok(response.map(Incoming::Direct))
            }
            Self::Reqwest(client) => {
                let failed =
                    |error: reqwest::Error| error::before_head(error.is_connect(), error.without_url());
                let request = request.map(BodyParts::into_reqwest).try_into().map_err(failed)?;
                let response = client.execute(request).await.map_err(failed)?;
                Ok(http::Response::from(response).map(Incoming::Reqwest))
            }
        }
    }
}

/// An HTTP client and the number of its requests in flight.
struct Client {
    http: Http,
    in_flight: AtomicUsize,
}

impl Client {
    const fn new(http: Http) -> Self {
        Self { http, in_flight: AtomicUsize::new(0) }
    }
}

/// A client in use by one request; dropping it decrements the client's count of requests in flight.
pub(crate) struct Lease(Arc<Client>);

impl Lease {
    fn new(client: &Arc<Client>) -> Self {
        client.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(client))
    }

    /// Sends a request; returns once the head of the response has arrived.
    pub(crate) async fn send(
        &self,
        request: Request<BodyParts>,
    ) -> Result<http::Response<Incoming>, Failure> {
        self.0.http.send(request).await
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The settings of every client of an upstream.
struct ClientTemplate {
    tls: ClientConfig,
    settings: Settings,
}

impl ClientTemplate {
    fn build(&self) -> reqwest::Result<Http> {
        match &self.settings.proxy {
            Some(proxy) => self.through(proxy).map(Http::Reqwest),
            None => Ok(Http::Direct(Box::new(self.direct()))),
        }
    }

    fn direct(&self) -> DirectClient<Connector, BodyParts> {
        DirectClient::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .build(Connector::new(self.tls.clone(), self.settings.connect_timeout, KEEPALIVE))
    }

    fn through(&self, proxy: &Base) -> reqwest::Result<reqwest::Client> {
        base_builder(self.tls.clone())
            .connect_timeout(self.settings.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEPALIVE)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .proxy(reqwest::Proxy::all(proxy.root("/"))?)
            .build()
    }
}

/// Creates a client builder without reqwest's own retries, redirects, referers and proxies, which would bypass fb's
/// decisions.
fn base_builder(tls: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(USER_AGENT)
        .no_proxy()
}

/// Creates an HTTP client for other uses than providers, such as requests to a gateway on the loopback interface. It
/// supports plain HTTP only, since it trusts no certificate.
///
/// # Errors
/// When the system lacks the resources of a client.
#[cfg(feature = "http-client")]
pub fn plain_http_client() -> Result<reqwest::Client, InvalidConfig> {
    let client = tls_with_roots(&[])
        .map(base_builder)
        .and_then(|builder| builder.build().map_err(|error| error.to_string()));
    client.map_err(|error| InvalidConfig::new("http", "(a client)", error))
}

/// Returns the TLS configuration for an upstream. The crypto provider is set explicitly: a global one would affect the
/// whole process. It is that of reqwest's own feature `rustls`: reqwest is one crate for the whole program, and with TLS but
/// without a provider its `Client::new` panics, also in code that does not use fb (reqwest #2924).
fn tls_config(base: &Base, certificates: &[CertificateDer<'static>]) -> Result<ClientConfig, InvalidConfig> {
    if !base.is_https() {
        return tls_with_roots(certificates).map_err(|error| client_error(base, &error));
    }
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(certificates.iter().cloned(), Arc::clone(&crypto))
        .map_err(|error| {
            let expected =
                format!("https:// needs the system's root certificates (install ca-certificates): {error}");
            InvalidConfig::new("base_url", format!("{base:?}"), expected)
        })?;
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(|error| client_error(base, &error))?;
    let mut tls =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

/// Returns a TLS configuration that trusts these certificates only. Plain HTTP needs no root certificates, and must work on
/// systems without any.
fn tls_with_roots(certificates: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn client_error(base: &Base, error: &dyn fmt::Display) -> InvalidConfig {
    InvalidConfig::new("base_url", format!("{base:?}"), format!("cannot create an HTTP client: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_client_is_created_when_all_are_full() {
        assert_eq!(pick([0]), Pick::Use(0));
        assert_eq!(pick([89]), Pick::Use(0));
        assert_eq!(pick([90]), Pick::Grow { fallback: 0 });
        assert_eq!(pick([90, 12, 12]), Pick::Use(1));
        assert_eq!(pick([95, 91]), Pick::Grow { fallback: 1 });
        assert_eq!(pick([90; MAX_CLIENTS]), Pick::Use(0));
    }

    fn clients(url: &str) -> Clients {
        Clients::new(&Base::parse("base_url", url).unwrap(), &Settings::new(&Connection::default()).unwrap())
            .unwrap()
    }

    #[test]
    fn only_tls_upstreams_grow_and_leases_are_returned() {
        let tls = clients("https://127.0.0.1:1");
        let leases: Vec<Lease> = (0..=STREAMS_PER_CLIENT * 2).map(|_| tls.lease()).collect();
        assert_eq!(tls.more.lock().len(), 2);
        drop(leases);
        assert_eq!(tls.first.in_flight.load(Ordering::Relaxed), 0);
        let plain = clients("http://127.0.0.1:1");
        let _leases: Vec<Lease> = (0..200).map(|_| plain.lease()).collect();
        assert_eq!(plain.more.lock().len(), 0);
    }
}
