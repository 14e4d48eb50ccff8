//! The origins and host names that a listener serves: a web page may not use it without permission, neither by a request to
//! another origin nor under a host name that resolves to this machine.

use std::{net::IpAddr, sync::Arc};

use fb::{ErrorCode, InvalidConfig};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{self, HOST, ORIGIN},
    uri::Authority,
};

use crate::{
    body::{Body, Response},
    error::Rejection,
};

/// The time for which a browser may keep the permission of a preflight request, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// The response headers that a permitted page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, x-fb-attempts, x-fb-level, x-fb-served-by, x-fb-cache, x-fb-reason, x-fb-trace, x-fb-degraded, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens",
);

/// The origins and host names that are accepted. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct OriginPolicy {
    /// Origins other than the listener's own that may use it.
    allowed: Arc<[String]>,
    hosts: Hosts,
}

/// The host names that a listener serves.
#[derive(Debug, Clone, Default)]
struct Hosts {
    /// The names of the configuration.
    names: Arc<[String]>,
    is_loopback: bool,
}

impl Hosts {
    /// Returns true if requests to a host are served. Without names in the configuration, a listener that is not on a loopback
    /// address does not know its own.
    fn serve(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => !self.is_loopback || address.is_loopback(),
            Err(_) => self.is_named(host) || (self.names.is_empty() && !self.is_loopback),
        }
    }

    /// Returns true if a web page of this host is one of the listener's own: its name cannot be in the DNS of a stranger.
    fn serve_page(&self, host: &str) -> bool {
        self.serve(host) && (host.parse::<IpAddr>().is_ok() || !host.contains('.') || self.is_named(host))
    }

    fn is_named(&self, host: &str) -> bool {
        host.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

impl OriginPolicy {
    /// Creates the policy of a service, with the origins that may use it besides its own.
    pub(crate) fn new(allowed: &[String]) -> Self {
        let allowed = allowed.iter().map(|origin| origin.to_ascii_lowercase()).collect();
        Self { allowed, hosts: Hosts::default() }
    }

    /// Restricts the host names of a listener to the given ones, if there are any or its address is a loopback address. Names
    /// of this machine are served in any case.
    pub(crate) fn on(self, address: IpAddr, names: &[String]) -> Self {
        Self { hosts: Hosts { names: names.into(), is_loopback: address.is_loopback() }, ..self }
    }

    /// Checks a request. Returns the foreign origin that it may come from, or the response to a preflight request.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<Access, Rejection> {
        let host = host(request.headers(), request.uri());
        if let Some(host) = host.filter(|host| !self.hosts.serve(without_port(host))) {
            let addresses = if self.hosts.is_loopback { "a loopback address" } else { "an address" };
            return Err(refuse("host", host, &format!("{addresses}, localhost or a name of `hosts`")));
        }
        let Some(origin) = request.headers().get(ORIGIN) else { return Ok(Access::Plain) };
        let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        // A page of a stranger is of the same origin too if its name resolves to this address.
        let own = host.filter(|host| is_same(&text, host));
        if own.is_some_and(|host| self.hosts.serve_page(without_port(host))) {
            return Ok(Access::Plain);
        }
        if !self.allowed.contains(&text) {
            return Err(match own {
                Some(host) => refuse("host", host, "an address or a name of `hosts`, for a web page"),
                None => refuse("origin", &text, "the gateway's own or one of server.cors"),
            });
        }
        if request.method() == Method::OPTIONS {
            return Ok(Access::Preflight(preflight(request.headers(), origin)));
        }
        Ok(Access::Foreign(origin.clone()))
    }
}

/// The access of a request.
pub(crate) enum Access {
    /// No web page of another origin is involved.
    Plain,
    /// A page of this origin sent the request and may read the response.
    Foreign(HeaderValue),
    /// The response to a preflight request of a browser.
    Preflight(Response),
}

/// Permits a page of this origin to read a response.
pub(crate) fn permit(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// Checks that an origin has the form `scheme://host[:port]`.
pub(crate) fn check_origin(field: &str, origin: &str) -> Option<InvalidConfig> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
    let is_valid = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '*']));
    let expected = "expected an origin such as https://app.example.com";
    (!is_valid).then(|| InvalidConfig::new(field, format!("{origin:?}"), expected))
}

fn preflight(headers: &HeaderMap, origin: &HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    permit(&mut response, origin.clone());
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(requested) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    response
}

/// Returns the host that a request names, with its port.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    // An address in the request line takes precedence over the header (RFC 9112, section 3.2.2).
    uri.authority().map(Authority::as_str).or_else(|| headers.get(HOST)?.to_str().ok())
}

fn refuse(field: &'static str, value: &str, expected: &str) -> Rejection {
    let value: String = value.chars().take(256).collect();
    let message = format!("{field}: {value:?}; expected {expected}");
    Rejection::new(ErrorCode::ForbiddenOrigin, message).with_param(field)
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    }
}

/// Returns true if an origin is that of the host itself.
fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = if scheme == "https" { ":443" } else { ":80" };
    let plain = |authority: &str| authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase();
    plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(policy: &OriginPolicy, headers: &[(&str, &str)]) -> &'static str {
        let mut request = Request::post("/v1/chat/completions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match policy.check(&request.body(()).unwrap()) {
            Ok(Access::Plain) => "plain",
            Ok(Access::Foreign(_)) => "foreign",
            Ok(Access::Preflight(_)) => "preflight",
            Err(_) => "refused",
        }
    }

    #[test]
    fn own_and_listed_origins_are_accepted() {
        let policy = OriginPolicy::new(&["https://App.example.com".to_owned()]);
        let policy = policy.on([10, 0, 0, 1].into(), &["api.example.com".to_owned()]);
        for (origin, host, expected) in [
            (None, "api.example.com", "plain"),
            (Some("https://api.example.com"), "api.example.com", "plain"),
            (Some("https://api.example.com"), "api.example.com:443", "plain"),
            (Some("http://127.0.0.1:8080"), "127.0.0.1:8080", "plain"),
            (Some("https://app.example.com"), "app.example.com", "refused"),
            (Some("http://127.0.0.1:9000"), "127.0.0.1:8080", "refused"),
            (Some("https://app.example.com"), "api.example.com", "foreign"),
            (Some("https://app.example.com.evil.test"), "api.example.com", "refused"),
            (Some("null"), "api.example.com", "refused"),
        ] {
            let headers: Vec<_> = [("host", Some(host)), ("origin", origin)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            assert_eq!(access(&policy, &headers), expected, "{origin:?} at {host}");
        }
    }

    #[test]
    fn loopback_listener_accepts_local_and_listed_names() {
        let names = ["fb.example.com".to_owned()];
        let policy = OriginPolicy::new(&[]).on([127, 0, 0, 1].into(), &names);
        for (host, expected) in [
            ("127.0.0.1:8080", "plain"),
            ("LOCALHOST", "plain"),
            ("[::1]:8080", "plain"),
            ("fb.example.com:8080", "plain"),
            ("evil.test:8080", "refused"),
            ("127.0.0.1.evil.test", "refused"),
            ("localhost.evil.test:8080", "refused"),
        ] {
            assert_eq!(access(&policy, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(access(&policy, &[]), "plain", "no browser leaves the host out");
    }

    #[test]
    fn public_listener_accepts_listed_names_or_else_no_page_of_another_name() {
        let cors = ["https://app.example.com".to_owned()];
        let public = |names: &[String]| OriginPolicy::new(&cors).on([0, 0, 0, 0].into(), names);
        let (any, named) = (public(&[]), public(&["fb.example.com".to_owned()]));
        // For each host: without an origin, and from a page of that host; without names, and with one.
        for (host, expected) in [
            ("10.0.0.1:8080", ["plain", "plain", "plain", "plain"]),
            ("[fd00::1]:8080", ["plain", "plain", "plain", "plain"]),
            ("localhost:8080", ["plain", "plain", "plain", "plain"]),
            ("gateway:8080", ["plain", "plain", "refused", "refused"]),
            ("FB.example.com", ["plain", "refused", "plain", "plain"]),
            ("evil.test:8080", ["plain", "refused", "refused", "refused"]),
            ("10.0.0.1.evil.test", ["plain", "refused", "refused", "refused"]),
            ("app.example.com", ["plain", "plain", "refused", "refused"]),
        ] {
            let page = format!("{}://{host}", if host == "app.example.com" { "https" } else { "http" });
            let found = [&any, &named].map(|policy| {
                let page = access(policy, &[("host", host), ("origin", &page)]).replace("foreign", "plain");
                [access(policy, &[("host", host)]).to_owned(), page]
            });
            assert_eq!(found.concat(), expected, "{host}");
        }
    }
}
