use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::Verifier;

use super::Base;
use crate::InvalidConfig;

/// How long a connection may take: what the providers' own clients use. A handshake that takes longer than this
/// across the world is a lost packet, and another attempt is quicker.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Below the idle timeout of every load balancer in front of a provider (60 s and more), so that a kept-alive
/// connection is rarely closed under our hands.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Finds connections that died without a word, within half a minute.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// How long a dead HTTP/2 connection may leave a ping without answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections kept per host.
const POOL_MAX_IDLE: usize = 256;

/// Requests in flight on one client before another is made. hyper keeps one HTTP/2 connection per host and queues
/// what exceeds the server's limit of streams, which is commonly 100 (hyper #2197, #3623).
const STREAMS_PER_CLIENT: usize = 90;

/// Most clients of one upstream.
const MAX_CLIENTS: usize = 64;

/// What the HTTP client of an upstream can be told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    /// An HTTP proxy; the environment's is never used.
    pub(crate) proxy: Option<Base>,
}

/// Longest time a connection may take that makes sense.
const MAX_CONNECT: Duration = Duration::from_secs(300);

impl Settings {
    /// Those of a config, checked.
    pub(crate) fn of(connect_timeout: Option<Duration>, proxy: Option<&str>) -> Result<Self, InvalidConfig> {
        let connect_timeout = connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        if connect_timeout.is_zero() || connect_timeout > MAX_CONNECT {
            let expected = "expected a time above 0 and up to 5 minutes, such as \"5s\"";
            return Err(InvalidConfig::new("connect_timeout", format!("{connect_timeout:?}"), expected));
        }
        let proxy = proxy.map(|proxy| Base::parse("proxy", proxy)).transpose()?;
        Ok(Self { connect_timeout, proxy })
    }
}

/// The clients of one upstream: one for HTTP/1.1, and as many as its requests need over HTTP/2.
pub(crate) struct Clients {
    plan: Plan,
    grows: bool,
    first: Arc<Client>,
    more: Mutex<Vec<Arc<Client>>>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("settings", &self.plan.settings).finish_non_exhaustive()
    }
}

impl Clients {
    pub(crate) fn new(base: &Base, settings: &Settings) -> Result<Self, InvalidConfig> {
        let plan = Plan { tls: tls(base)?, settings: settings.clone() };
        let first = Arc::new(Client::new(plan.build().map_err(|error| unusable(base, &error))?));
        Ok(Self { plan, grows: base.is_https(), first, more: Mutex::default() })
    }

    /// The client for one more request.
    pub(crate) fn lease(&self) -> Lease {
        if !self.grows {
            return Lease::of(&self.first);
        }
        let mut more = self.more.lock();
        let all = || std::iter::once(&self.first).chain(more.iter());
        let instead = match pick(all().map(|client| client.in_flight.load(Ordering::Relaxed))) {
            Pick::Use(index) => return Lease::of(all().nth(index).unwrap_or(&self.first)),
            Pick::Grow { instead } => Lease::of(all().nth(instead).unwrap_or(&self.first)),
        };
        let Ok(client) = self.plan.build() else { return instead };
        let client = Arc::new(Client::new(client));
        more.push(Arc::clone(&client));
        Lease::of(&client)
    }
}

/// Which client takes one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    Use(usize),
    /// All are full; `instead` is the least busy one, should another not be possible.
    Grow {
        instead: usize,
    },
}

/// The least busy client, the earliest of equals, or one more when that is full.
fn pick(in_flight: impl IntoIterator<Item = usize>) -> Pick {
    let mut count = 0;
    let least = in_flight.into_iter().enumerate().inspect(|_| count += 1).min_by_key(|(_, busy)| *busy);
    match least {
        Some((index, busy)) if busy < STREAMS_PER_CLIENT || count >= MAX_CLIENTS => Pick::Use(index),
        Some((instead, _)) => Pick::Grow { instead },
        None => Pick::Grow { instead: 0 },
    }
}

/// An HTTP client and the number of its requests in flight.
struct Client {
    http: reqwest::Client,
    in_flight: AtomicUsize,
}

impl Client {
    const fn new(http: reqwest::Client) -> Self {
        Self { http, in_flight: AtomicUsize::new(0) }
    }
}

/// The place of one request in flight at its client; dropped, the place is free.
pub(crate) struct Lease(Arc<Client>);

impl Lease {
    fn of(client: &Arc<Client>) -> Self {
        client.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(client))
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.0.http
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

/// How to make one more client.
struct Plan {
    tls: ClientConfig,
    settings: Settings,
}

impl Plan {
    fn build(&self) -> reqwest::Result<reqwest::Client> {
        let builder = plain(self.tls.clone())
            .connect_timeout(self.settings.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEPALIVE)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true);
        match &self.settings.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.root("/"))?).build(),
            None => builder.build(),
        }
    }
}

/// A client builder without reqwest's own retries, redirects, referers and proxies: each would be a second call that
/// nobody decided on.
fn plain(tls: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("fb/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
}

/// An HTTP client for other things than providers, such as asking one's own gateway on loopback: plain HTTP only,
/// since it trusts no certificate.
///
/// # Errors
/// When the system refuses what a client needs.
pub fn plain_http_client() -> Result<reqwest::Client, InvalidConfig> {
    let made =
        trusting_nobody().map(plain).and_then(|builder| builder.build().map_err(|error| error.to_string()));
    made.map_err(|error| InvalidConfig::new("http", "(a client)", error))
}

/// TLS with ring, said explicitly: a global crypto provider would be everybody's business, and reqwest panics
/// without one (reqwest #2924).
fn tls(base: &Base) -> Result<ClientConfig, InvalidConfig> {
    if !base.is_https() {
        return trusting_nobody().map_err(|error| unusable(base, &error));
    }
    let ring = Arc::new(ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&ring)).map_err(|error| {
        let expected =
            format!("https:// needs the system's root certificates (install ca-certificates): {error}");
        InvalidConfig::new("base_url", format!("{base:?}"), expected)
    })?;
    let builder = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(base, &error))?;
    let mut tls =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

/// TLS that no server satisfies. Plain HTTP needs no roots, and machines without any must be able to use it.
fn trusting_nobody() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn unusable(base: &Base, error: &dyn fmt::Display) -> InvalidConfig {
    InvalidConfig::new("base_url", format!("{base:?}"), format!("no HTTP client can be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_client_is_joined_by_another() {
        assert_eq!(pick([0]), Pick::Use(0));
        assert_eq!(pick([89]), Pick::Use(0));
        assert_eq!(pick([90]), Pick::Grow { instead: 0 });
        assert_eq!(pick([90, 12, 12]), Pick::Use(1));
        assert_eq!(pick([95, 91]), Pick::Grow { instead: 1 });
        assert_eq!(pick([90; MAX_CLIENTS]), Pick::Use(0));
    }

    fn clients(url: &str) -> Clients {
        Clients::new(&Base::parse("base_url", url).unwrap(), &Settings::of(None, None).unwrap()).unwrap()
    }

    #[test]
    fn only_tls_upstreams_grow_and_leases_come_back() {
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
