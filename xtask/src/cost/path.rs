//! The measured paths: what is sent, and what the gateway is configured to do with it.

/// A way of a request through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) name: &'static str,
    /// The route of the gateway's config.
    route: &'static str,
    /// Further members of the request's body. `COUNT` stands for the number of the request.
    members: &'static str,
    /// Further tables of the gateway's config. `FOLDER` stands for the folder of the measurement.
    tables: &'static str,
    /// The level of the gateway's log.
    pub(super) log: &'static str,
    pub(super) target: Target,
}

/// The receiver of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The listener. The floor can do it too.
    AsFloor,
    /// The listener. The floor cannot do it, and the plain path of the floor stands for it.
    Gateway,
    /// `/metrics` of the admin listener.
    Metrics,
}

const fn path(name: &'static str, route: &'static str) -> Path {
    Path { name, route, members: "", tables: "", log: "error", target: Target::Gateway }
}

const fn plain(name: &'static str) -> Path {
    path(name, "plain")
}

/// The simulator answers with this number of words, one per chunk.
const STREAM: &str = r#","stream":true,"max_tokens":64"#;
const SCHEMA: &str = r#","response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":
{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"array","items":{"type":"integer"}}},
"required":["city","days"],"additionalProperties":false}}}"#;

/// The guarded paths. The first is the one that the others of the floor stand for.
pub(super) const PATHS: [Path; 5] = [
    Path { target: Target::AsFloor, ..plain("plain, 1 KB") },
    Path { members: STREAM, target: Target::AsFloor, ..plain("stream of 64 chunks") },
    path("cache hit", "cached"),
    path("skip of an open breaker", "skip"),
    path("OpenAI to Anthropic", "translated"),
];

/// A feature that can be on, as a path, and the path with which it is compared.
pub(super) const FEATURES: [(Path, Path); 10] = [
    (plain("traces"), Path { tables: "[traces]\nkeep = 0", ..plain("without traces") }),
    (Path { log: "info", ..plain("log line") }, PATHS[0]),
    (Path { tables: "[record]\nfile = \"FOLDER/record.jsonl\"", ..plain("record in a file") }, PATHS[0]),
    (Path { tables: LIMITS, ..plain("tenant with three limits") }, PATHS[0]),
    (Path { members: r#","seed":COUNT"#, ..path("cache miss, stored", "cached") }, PATHS[0]),
    (
        Path { members: SCHEMA, ..path("schema gate", "gated") },
        Path { members: SCHEMA, ..plain("without schema gate") },
    ),
    (path("hedging armed", "hedged"), PATHS[0]),
    (path("TLS upstream, HTTP/1.1", "tls"), PATHS[0]),
    (path("TLS upstream, HTTP/2", "tls2"), PATHS[0]),
    (Path { target: Target::Metrics, ..plain("scrape of /metrics") }, NOTHING),
];

/// Stands for a comparison with nothing.
pub(super) const NOTHING: Path = plain("nothing");

const LIMITS: &str = "[tenants.default]
anonymous = true
requests_per_minute = 1000000
tokens_per_minute = 1000000000
usd_per_day = 1000.0";

impl Path {
    /// Returns the body of a request, of about 1 KB.
    pub(super) fn body(self, count: u32) -> String {
        let prompt = "The quick brown fox jumps over the lazy dog. ".repeat(20);
        let Self { route, members, .. } = self;
        let members = members.replace("COUNT", &count.to_string());
        format!(r#"{{"model":"{route}","messages":[{{"role":"user","content":"{prompt}"}}]{members}}}"#)
    }

    /// Returns the path of the floor that it is compared with.
    pub(super) fn floor(self) -> Self {
        if self.target == Target::AsFloor { self } else { PATHS[0] }
    }
}

/// The ports of a measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) listen: u16,
    pub(super) admin: u16,
    pub(super) openai: u16,
    pub(super) anthropic: u16,
    /// TLS before the simulator of OpenAI, with HTTP/1.1 and with HTTP/2.
    pub(super) tls: Option<[u16; 2]>,
}

/// Returns the config of the gateway. Nothing listens on port 9.
pub(super) fn config(path: Path, ports: Ports, folder: &str) -> String {
    let Ports { listen, admin, openai, anthropic, tls } = ports;
    let tables = path.tables.replace("FOLDER", folder);
    let mut text = format!(
        r#"
[server]
listen = "127.0.0.1:{listen}"
drain_delay = "0s"

[admin]
listen = "127.0.0.1:{admin}"

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

[routes.gated]
targets = [{{ provider = "openai", model = "m" }}]
quality = {{ schema = true }}

[routes.hedged]
strategy = "hedged"
targets = [{{ provider = "openai", model = "m" }}, {{ provider = "openai", model = "n" }}]

{tables}
"#
    );
    let https = ["tls", "tls2"].into_iter().zip(tls.into_iter().flatten()).map(|(name, port)| {
        format!(
            r#"
[providers.{name}]
kind = "openai"
base_url = "https://localhost:{port}/v1"
api_key = {{ env = "FB_COST_KEY" }}
ca_file = "{folder}/tls.crt"

[routes.{name}]
targets = [{{ provider = "{name}", model = "m" }}]
"#
        )
    });
    text.extend(https);
    text
}
