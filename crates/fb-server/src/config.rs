//! Settings of the listeners.

use std::{net::SocketAddr, time::Duration};

use fb::{InvalidConfig, providers::Secret};
use serde::Deserialize;

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
    /// Maximum total size of buffered request bodies in bytes; bodies up to 16 KiB do not count. A request beyond it is
    /// refused with status 503. Defaults to 1 GiB.
    pub max_bodies: usize,
    /// Maximum number of open connections; more wait in the kernel's queue. Defaults to 10,000.
    pub max_connections: usize,
    /// Maximum time to receive the head of a request. Defaults to 30 s.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
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
    /// Time for requests in flight to finish after SIGTERM. Defaults to 30 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// Serves `/v1/health`, `/v1/circuits` and `/v1/degradation/level` on this listener too, to requests with the token of
    /// `[admin]`. Defaults to false.
    pub operator_routes: bool,
}

/// The table `[admin]`: the listener of the admin API. Without the table there is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// The address to listen on. Reading needs no token, so keep it on loopback or a private network.
    pub listen: SocketAddr,
    /// The token for changes, sent as `Authorization: Bearer TOKEN`. Without a token every change is refused.
    #[serde(default)]
    pub token: Option<Secret>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_body: 32 << 20,
            max_bodies: 1 << 30,
            max_connections: 10_000,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            early_headers: None,
            drain: Duration::from_secs(30),
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
            ("server.body_timeout", self.body_timeout),
            ("server.write_timeout", self.write_timeout),
        ];
        problems.extend(times.iter().filter_map(|(field, time)| InvalidConfig::check_duration(field, *time)));
        let heartbeat = Some(self.heartbeat).filter(|interval| !interval.is_zero());
        let optional = [("server.heartbeat", heartbeat), ("server.early_headers", self.early_headers)];
        problems.extend(
            optional.iter().filter_map(|(field, time)| InvalidConfig::check_duration(field, (*time)?)),
        );
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
    /// Returns a problem if the token is configured and cannot be read.
    pub fn problems(&self) -> Vec<InvalidConfig> {
        let token = self.token.as_ref().and_then(|token| token.resolve("admin.token").err());
        token.into_iter().collect()
    }
}
