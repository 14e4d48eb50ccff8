//! The measured paths: what is sent, and what the gateway is configured to do with it.

/// A way of a request through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) name: &'static str,
    /// The route of the gateway's config.
    route: &'static str,
    stream: bool,
    /// True if the floor can do it too. The others are compared with the plain path of the floor.
    pub(super) has_floor: bool,
}

pub(super) const PATHS: [Path; 5] = [
    Path { name: "plain, 1 KB", route: "plain", stream: false, has_floor: true },
    Path { name: "stream of 64 chunks", route: "plain", stream: true, has_floor: true },
    Path { name: "cache hit", route: "cached", stream: false, has_floor: false },
    Path { name: "skip of an open breaker", route: "skip", stream: false, has_floor: false },
    Path { name: "OpenAI to Anthropic", route: "translated", stream: false, has_floor: false },
];

impl Path {
    /// Returns the body of its requests, of about 1 KB.
    pub(super) fn body(self) -> String {
        let prompt = "The quick brown fox jumps over the lazy dog. ".repeat(20);
        // The simulator answers with this number of words, one per chunk.
        let more = if self.stream { r#","stream":true,"max_tokens":64"# } else { "" };
        let Self { route, .. } = self;
        format!(r#"{{"model":"{route}","messages":[{{"role":"user","content":"{prompt}"}}]{more}}}"#)
    }

    /// Returns the path of the floor that it is compared with.
    pub(super) fn floor(self) -> Self {
        if self.has_floor { self } else { PATHS[0] }
    }
}

/// Returns the config of the gateway, given its port and those of the simulators. Nothing listens on port 9.
pub(super) fn config(port: u16, openai: u16, anthropic: u16) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:{port}"
drain_delay = "0s"

[admin]
listen = "127.0.0.1:0"

[breaker]
consecutive = 1
open = {{ base = "1h", max = "1h" }}

[providers.openai]
kind = "openai"
base_url = "http://127.0.0.1:{openai}/v1"
api_key = {{ env = "FB_COST_KEY" }}

[providers.anthropic]
kind = "anthropic"
base_url = "http://127.0.0.1:{anthropic}"
api_key = {{ env = "FB_COST_KEY" }}

[providers.down]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
api_key = {{ env = "FB_COST_KEY" }}

[routes.plain]
targets = [{{ provider = "openai", model = "m" }}]

[routes.cached]
targets = [{{ provider = "openai", model = "m" }}]
cache = {{ fresh = "1h", any_temperature = true }}

[routes.skip]
targets = [{{ provider = "down", model = "m", max_retries = 0 }}, {{ provider = "openai", model = "m" }}]

[routes.translated]
targets = [{{ provider = "anthropic", model = "m" }}]
"#
    )
}
