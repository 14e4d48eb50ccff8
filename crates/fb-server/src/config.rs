//! Settings of the listeners.

use std::{net::SocketAddr, time::Duration};

use fb::{InvalidConfig, providers::Secret};
use serde::Deserialize;

use crate::{log::LogFormat, origin::check_origin};

/// Longest accepted drain time: a day.
const MAX_DRAIN: Duration = Duration::from_secs(86_400);

/// The table `[server]`: the gateway's listener and its limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on. Defaults to "127.0.0.1:8080".
    pub listen: SocketAddr,
    /// Maximum size of a request body in bytes. Defaults to 32 MiB, the most that any provider accepts.
    pub max_body: usize,
    /// Maximum total size of buffered request bodies in bytes. Each counts twice, as received and as parsed; bodies up to
    /// 16 KiB do not count. A request beyond it is refused with status 503. Defaults to 1 GiB.
    pub max_bodies: usize,
    /// Maximum number of open connections; more wait in the kernel's queue. Defaults to 10,000.
    pub max_connections: usize,
    /// Maximum size of the head of a request in bytes, 8 KiB to 1 MiB. Defaults to 64 KiB.
    pub max_head: usize,
    /// Maximum time to receive the head of a request. Defaults to 30 s.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// Time for which a connection without a request stays open. A proxy in front must keep it for a shorter time. Defaults
    /// to 75 s.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// Maximum time to receive the body of a request. Defaults to 60 s.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Maximum time that sending a response may be blocked by a client that does not read. Defaults to 60 s.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Longest silence of a stream, after which a comment is sent, so that a proxy does not cut the connection as idle. Zero
    /// sends none. Defaults to 15 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Time after which a streamed response begins although no target has answered: its status is 200, comments follow,
    /// and a failure is an event of the stream. None unless set.
    #[serde(with = "humantime_serde::option")]
    pub early_headers: Option<Duration>,
    /// Time after SIGTERM in which `/readyz` returns 503 while requests are still accepted, so that balancers stop to send
    /// some. SIGINT and a second signal skip it. Defaults to 5 s.
    #[serde(with = "humantime_serde")]
    pub drain_delay: Duration,
    /// Time after SIGTERM, `drain_delay` included, in which the gateway ends. Requests in flight may finish until its last second,
    /// or the last tenth of a shorter time; then what is left ends with an error. Defaults to 28 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// Origins of web pages that may use the gateway, such as `https://app.example.com`. Pages of any other origin get 403.
    /// None unless set.
    pub cors: Vec<String>,
    /// Host names that the listener serves, such as "fb.example.com"; addresses and localhost are served in any case. Without
    /// names, a listener on a loopback address serves no others, and any other listener serves all, but a web page only under an
    /// address or a name without a dot. None unless set.
    pub hosts: Vec<String>,
    /// Accepts `PROVIDER/MODEL` as a model, which goes around the gates, classes and downshift of a route: "allow" or "deny".
    /// Defaults to "deny" once a tenant has an API key.
    pub direct_targets: Option<DirectTargets>,
    /// Sends `x-fb-trace` and names targets in errors. Defaults to true.
    pub expose_trace: bool,
    /// Has the cost of calls in `x-fb-trace`. Defaults to true.
    pub expose_costs: bool,
    /// The format of the log's lines: "text" or "json". Defaults to "text".
    pub log: LogFormat,
    /// Serves `/v1/health`, `/v1/circuits` and `/v1/degradation/level` on this listener too, to requests with the token of
    /// `[admin]`. Defaults to false.
    pub operator_routes: bool,
}

/// The acceptance of names of targets as models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DirectTargets {
    /// They are accepted.
    Allow,
    /// They are unknown models.
    Deny,
}

/// The table `[admin]`: the listener of the admin API. Without the table there is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// The address to listen on. Without a token reading is open, so keep it on loopback or a private network.
    pub listen: SocketAddr,
    /// The token of operators, sent as `Authorization: Bearer TOKEN`. Without a token every change is refused.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Host names that the listener serves, such as "fb.example.com"; addresses and localhost are served in any case. Without
    /// names, a listener on a loopback address serves no others, and any other listener serves all, but a web page only under an
    /// address or a name without a dot. None unless set.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Serves `/metrics` without the token. Defaults to false.
    #[serde(default)]
    pub open_metrics: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_body: 32 << 20,
            max_bodies: 1 << 30,
            max_connections: 10_000,
            max_head: 64 << 10,
            head_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            early_headers: None,
            drain_delay: Duration::from_secs(5),
            drain: Duration::from_secs(28),
            cors: Vec::new(),
            hosts: Vec::new(),
            direct_targets: None,
            expose_trace: true,
            expose_costs: true,
            log: LogFormat::Text,
            operator_routes: false,
        }
    }
}

impl ServerConfig {
    /// Returns a problem for each setting out of its range.
    pub fn problems(&self) -> Vec<InvalidConfig> {
        let mut problems = Vec::new();
        if !(1..=1 << 30).contains(&self.max_body) {
            let value = self.max_body.to_string();
            problems.push(InvalidConfig::new("server.max_body", value, "expected 1 to 1073741824 bytes"));
        }
        if !(self.max_body..=1 << 40).contains(&self.max_bodies) {
            let value = self.max_bodies.to_string();
            let expected = "expected max_body or more, up to 1099511627776 bytes";
            problems.push(InvalidConfig::new("server.max_bodies", value, expected));
        }
        let times = [
            ("server.head_timeout", self.head_timeout),
            ("server.keep_alive", self.keep_alive),
            ("server.body_timeout", self.body_timeout),
            ("server.write_timeout", self.write_timeout),
        ];
        problems.extend(times.iter().filter_map(|(field, time)| InvalidConfig::check_duration(field, *time)));
        let heartbeat = Some(self.heartbeat).filter(|interval| !interval.is_zero());
        let optional = [("server.heartbeat", heartbeat), ("server.early_headers", self.early_headers)];
        problems.extend(
            optional.iter().filter_map(|(field, time)| InvalidConfig::check_duration(field, (*time)?)),
        );
        if !(8 << 10..=1 << 20).contains(&self.max_head) {
            let value = self.max_head.to_string();
            problems.push(InvalidConfig::new("server.max_head", value, "expected 8192 to 1048576 bytes"));
        }
        problems.extend(self.cors.iter().filter_map(|origin| check_origin("server.cors", origin)));
        if self.drain_delay > self.drain {
            let value = format!("{:?}", self.drain_delay);
            problems.push(InvalidConfig::new("server.drain_delay", value, "expected at most server.drain"));
        }
        if self.drain > MAX_DRAIN {
            let value = format!("{:?}", self.drain);
            problems.push(InvalidConfig::new("server.drain", value, "expected a time of up to a day"));
        }
        if self.max_connections == 0 {
            problems.push(InvalidConfig::new("server.max_connections", "0", "expected 1 or more"));
        }
        problems
    }
}

impl AdminConfig {
    /// Creates the configuration of a listener without a token.
    pub const fn new(listen: SocketAddr) -> Self {
        Self { listen, token: None, hosts: Vec::new(), open_metrics: false }
    }

    /// Returns a problem if the token is configured and cannot be read.
    pub fn problems(&self) -> Vec<InvalidConfig> {
        let token = self.token.as_ref().and_then(|token| token.resolve("admin.token").err());
        token.into_iter().collect()
    }
}
