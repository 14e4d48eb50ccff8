use std::{net::SocketAddr, time::Duration};

use fb::{InvalidConfig, providers::Secret};
use serde::Deserialize;

/// Longest time that any setting may name: a day.
const MAX_TIME: Duration = Duration::from_secs(86_400);

/// The table `[server]`: where the gateway listens and what it takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Where it listens. Default "127.0.0.1:8080".
    pub listen: SocketAddr,
    /// Largest request body in bytes. Default 32 MiB, the most any provider takes.
    pub max_body: usize,
    /// Most bytes of request bodies held at a time, those up to 16 KiB not counted; a request beyond that is told to come again.
    /// Default 1 GiB.
    pub max_bodies: usize,
    /// Most connections at a time; more wait in the kernel's queue. Default 10,000.
    pub max_connections: usize,
    /// How long a client may take to send a request's head. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// How long a client may take to send a request's body. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long a client may read nothing of an answer that waits for it. Default 60 s.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// How long requests in flight may go on after SIGTERM. Default 30 s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

/// The table `[admin]`: a listener of its own for operators. Without the table there is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Where it listens. It shows what the gateway knows to whoever reaches it: keep it on loopback.
    pub listen: SocketAddr,
    /// What a caller must show to change anything, as `Authorization: Bearer TOKEN`. Without one nothing can be changed.
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
            drain: Duration::from_secs(30),
        }
    }
}

impl ServerConfig {
    /// Every setting that is out of its range.
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
        if self.drain > MAX_TIME {
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
    /// The token, when it is configured and cannot be read.
    pub fn problems(&self) -> Vec<InvalidConfig> {
        let token = self.token.as_ref().and_then(|token| token.resolve("admin.token").err());
        token.into_iter().collect()
    }
}
