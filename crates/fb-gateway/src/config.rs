mod locate;

use std::{collections::BTreeMap, fmt, fs, net::SocketAddr, path::Path, time::Duration};

use fb::{
    BreakerConfig, BudgetConfig, CacheConfig, Config, Evaluations, HealthConfig, LedgerConfig, PriceConfigs,
    RetryConfig, Route, Tenant, TracesConfig,
    providers::{ProviderConfig, Secret},
};
use fb_telemetry::{Drift, DriftConfig, record::RecordConfig};
use serde::Deserialize;

use self::locate::Document;
use crate::eval::{EvalConfig, evaluations};

/// Longest time that any setting may name: a day.
const MAX_TIME: Duration = Duration::from_secs(86_400);
/// Largest config file: 1 MiB.
const MAX_FILE: u64 = 1 << 20;

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

/// A config file as it stands: the server's table beside everything of the library.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    server: ServerConfig,
    admin: Option<AdminConfig>,
    record: Option<RecordConfig>,
    eval: Option<EvalConfig>,
    /// Accounts at upstreams, by name.
    providers: BTreeMap<String, ProviderConfig>,
    /// Virtual models, by name; at least one. Required.
    routes: BTreeMap<String, Route>,
    breaker: BreakerConfig,
    retry: RetryConfig,
    retry_budget: BudgetConfig,
    health: HealthConfig,
    cache: CacheConfig,
    traces: TracesConfig,
    prices: BTreeMap<String, PriceConfigs>,
    tenants: BTreeMap<String, Tenant>,
    ledger: Option<LedgerConfig>,
    drift: DriftConfig,
}

/// A config without errors.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The server's own settings.
    pub server: ServerConfig,
    /// The operators' listener, if there is one.
    pub admin: Option<AdminConfig>,
    /// Where finished requests are written, if anywhere.
    pub record: Option<RecordConfig>,
    /// Where `fb eval` keeps what it found, if anywhere.
    pub eval: Option<EvalConfig>,
    /// When the share of fallbacks is said to have risen.
    pub drift: DriftConfig,
    /// Providers, routes and mechanisms.
    pub fb: Config,
    /// What is wrong and keeps nobody from serving.
    pub warnings: Vec<fb::Problem>,
}

/// An error with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Line, from 1; 0 when the place is unknown.
    pub line: usize,
    /// Column, from 1; 0 when the place is unknown.
    pub column: usize,
    /// The field, the value and what was expected.
    pub message: String,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, " {}", self.message),
            (line, column) => write!(f, "{line}:{column}  {}", self.message),
        }
    }
}

/// Reads a config file's text.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let size = fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?.len();
    if size > MAX_FILE {
        return Err(format!("{}: {size} bytes; expected a config of at most {MAX_FILE}", file.display()));
    }
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Reads and checks a config file.
///
/// # Errors
/// A text that names every error with its place.
pub fn load(file: &Path) -> Result<Loaded, String> {
    load_with(file, parse)
}

/// The same for commands that call nobody: in place of a key that is not there stands one that opens nothing.
pub(crate) fn load_without_keys(file: &Path) -> Result<Loaded, String> {
    load_with(file, parse_without_keys)
}

/// The same for a command that calls providers on its own behalf: keys of tenants and operators need not be there.
pub(crate) fn load_to_evaluate(file: &Path) -> Result<Loaded, String> {
    load_with(file, |text| parse_for(text, Purpose::Evaluate))
}

fn load_with(file: &Path, parse: impl Fn(&str) -> Result<Loaded, Vec<Located>>) -> Result<Loaded, String> {
    let text = read(file)?;
    parse(&text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}:{error}", file.display())).collect();
        lines.join("\n")
    })
}

/// Checks a config's text.
///
/// # Errors
/// The first type error, or else every error of meaning. No value of a secret is ever repeated.
pub fn parse(text: &str) -> Result<Loaded, Vec<Located>> {
    parse_for(text, Purpose::Serve)
}

/// The same with every key that is not there stood in for.
pub(crate) fn parse_without_keys(text: &str) -> Result<Loaded, Vec<Located>> {
    parse_for(text, Purpose::Paper)
}

/// What a config is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Callers: every key is needed, and every target must be one that its route takes.
    Serve,
    /// Golden cases: the keys of providers are needed.
    Evaluate,
    /// Nobody is called: a key that is not there is stood in for.
    Paper,
}

fn parse_for(text: &str, purpose: Purpose) -> Result<Loaded, Vec<Located>> {
    let document = Document::parse(text)?;
    let file: File = toml::from_str(text).map_err(|error| vec![document.type_error(&error)])?;
    let File {
        server,
        mut admin,
        record,
        eval,
        mut providers,
        mut routes,
        breaker,
        retry,
        retry_budget,
        health,
        cache,
        traces,
        prices,
        mut tenants,
        mut ledger,
        drift,
    } = file;
    let mut problems: Vec<fb::Problem> = eval.iter().flat_map(EvalConfig::problems).collect();
    let (mut evaluations, mut warnings) = (Evaluations::default(), Vec::new());
    if purpose == Purpose::Paper {
        providers.values_mut().for_each(stand_in);
    }
    if purpose == Purpose::Serve {
        evaluations = read_evaluations(eval.as_ref(), &routes, &providers).unwrap_or_else(|found| {
            // Whoever requires nothing is served whatever the results are.
            let is_required = routes.values().any(|route| route.require_eval);
            let list = if is_required { &mut problems } else { &mut warnings };
            list.extend(found);
            Evaluations::default()
        });
    } else {
        admin = None;
        for route in routes.values_mut() {
            route.require_eval = false;
        }
        for tenant in tenants.values_mut() {
            tenant.key = None;
            // What no key is needed for is asked as the tenant itself.
            tenant.keys.clear();
            // Virtual days are no days of the calendar.
            (tenant.usd_per_day, tenant.usd_per_month) = (None, None);
        }
        // Nothing is spent, and a gateway may be at it.
        ledger = None;
    }
    let fb = Config {
        providers,
        routes,
        breaker,
        retry,
        retry_budget,
        health,
        cache,
        traces,
        prices,
        tenants,
        ledger,
        evaluations,
    }
    .with_names();
    problems.extend(fb.problems());
    if fb.routes.is_empty() {
        problems.push(fb::Problem::new(
            "routes",
            "none",
            "expected at least one route, such as [routes.default]",
        ));
    }
    check_server(&server, &mut problems);
    let records = record.iter().flat_map(RecordConfig::problems);
    for error in Drift::new(drift.clone()).err().into_iter().chain(records) {
        problems.push(fb::Problem::new(error.field, error.value, format!("expected {}", error.expected)));
    }
    if let Some(token) = admin.as_ref().and_then(|admin| admin.token.as_ref())
        && let Err(error) = token.resolve("admin.token")
    {
        problems.push(fb::Problem::new(error.field, error.value, error.expected));
    }
    if problems.is_empty() {
        Ok(Loaded { server, admin, record, eval, drift, fb, warnings })
    } else {
        Err(problems.iter().map(|problem| document.locate(problem)).collect())
    }
}

fn check_server(server: &ServerConfig, problems: &mut Vec<fb::Problem>) {
    if !(1..=1 << 30).contains(&server.max_body) {
        let value = server.max_body.to_string();
        problems.push(fb::Problem::new("server.max_body", value, "expected 1 to 1073741824 bytes"));
    }
    if !(server.max_body..=1 << 40).contains(&server.max_bodies) {
        let value = server.max_bodies.to_string();
        let expected = "expected max_body or more, up to 1099511627776 bytes";
        problems.push(fb::Problem::new("server.max_bodies", value, expected));
    }
    let times = [
        ("server.head_timeout", server.head_timeout),
        ("server.body_timeout", server.body_timeout),
        ("server.write_timeout", server.write_timeout),
    ];
    problems.extend(times.iter().filter_map(|(field, time)| fb::Problem::of_time(field, *time)));
    if server.drain > MAX_TIME {
        let value = format!("{:?}", server.drain);
        problems.push(fb::Problem::new("server.drain", value, "expected a time of up to a day"));
    }
    if server.max_connections == 0 {
        problems.push(fb::Problem::new("server.max_connections", "0", "expected 1 or more"));
    }
}

/// Which targets passed, for routes that want to know.
fn read_evaluations(
    eval: Option<&EvalConfig>,
    routes: &BTreeMap<String, Route>,
    providers: &BTreeMap<String, ProviderConfig>,
) -> Result<Evaluations, Vec<fb::Problem>> {
    if let Some(eval) = eval {
        return evaluations(eval, routes, providers).map_err(|error| {
            let value = format!("{:?}", eval.results.display().to_string());
            vec![fb::Problem::new("eval.results", value, error)]
        });
    }
    let missing = routes.iter().filter(|(_, route)| route.require_eval).map(|(name, _)| {
        let expected = "expected a table [eval] with the file of `results` that says who passed";
        fb::Problem::new(format!("routes.{name}.require_eval"), "true", expected)
    });
    let missing: Vec<fb::Problem> = missing.collect();
    if missing.is_empty() { Ok(Evaluations::default()) } else { Err(missing) }
}

/// Gives a provider whose key is not there one that opens nothing.
fn stand_in(provider: &mut ProviderConfig) {
    if provider.build().is_err_and(|error| error.field == "api_key") {
        provider.api_key = Some(Secret::value("none"));
    }
}

#[cfg(test)]
mod tests;
