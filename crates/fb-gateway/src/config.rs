//! The config file: parsing, checks, and errors with their positions.

pub(crate) mod eval;
pub(crate) mod from_environment;
mod locate;

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use fb::{
    BreakerConfig, BudgetConfig, CacheConfig, Config, Evaluations, HealthConfig, InvalidConfig, LedgerConfig,
    PriceConfigs, RetryConfig, Route, Tenant, TracesConfig, preset_or_table,
    providers::{ProviderConfig, Secret},
};
use fb_server::{AdminConfig, ServerConfig};
use fb_telemetry::{Drift, DriftConfig, record::RecordConfig};
use serde::Deserialize;

pub use self::locate::ConfigError;
use self::{eval::EvalConfig, locate::Document};
use crate::evaluations::evaluations;

/// Largest config file: 1 MiB.
const MAX_FILE: u64 = 1 << 20;

/// A whole config file: the tables of the server and the settings of the library.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    server: ServerConfig,
    admin: Option<AdminConfig>,
    record: Option<RecordConfig>,
    eval: Option<EvalConfig>,
    /// Providers, by name.
    providers: BTreeMap<String, ProviderConfig>,
    /// Routes, which are virtual models, by name; at least one. Required.
    routes: BTreeMap<String, Route>,
    /// The circuit breaker of every target, or a preset: `"classic"`, `"classic-30s"`, `"classic-single"`. Providers and
    /// targets can override its settings.
    #[serde(deserialize_with = "preset_or_table")]
    breaker: BreakerConfig,
    /// Backoff between attempts at one target, or a preset: `"classic"`, `"backoff"`, `"rate_limit"`, `"timeout"`.
    #[serde(deserialize_with = "preset_or_table")]
    retry: RetryConfig,
    retry_budget: BudgetConfig,
    /// Free probes of providers, and the comparison of each target with its peers; or a preset: `"recovery"`.
    #[serde(deserialize_with = "preset_or_table")]
    health: HealthConfig,
    cache: CacheConfig,
    traces: TracesConfig,
    /// Model prices, by `PROVIDER/MODEL`. A target's own price takes precedence over them, and they take precedence over
    /// the built-in price list.
    prices: BTreeMap<String, PriceConfigs>,
    tenants: BTreeMap<String, Tenant>,
    ledger: Option<LedgerConfig>,
    drift: DriftConfig,
}

/// A config without errors.
#[derive(Debug, Clone, Default)]
pub struct LoadedConfig {
    /// Settings of the server.
    pub server: ServerConfig,
    /// The admin listener; `None` if there is none.
    pub admin: Option<AdminConfig>,
    /// The record of finished requests; `None` if it is off.
    pub record: Option<RecordConfig>,
    /// The results file of `fb eval`; `None` if there is none.
    pub eval: Option<EvalConfig>,
    /// The alarm for a rising share of fallbacks.
    pub drift: DriftConfig,
    /// Providers, routes and mechanisms.
    pub fb: Config,
    /// Problems that do not prevent serving.
    pub warnings: Vec<InvalidConfig>,
}

impl LoadedConfig {
    /// Returns all problems of the config that do not prevent serving, those of the listeners included.
    pub(crate) fn all_warnings(&self) -> impl Iterator<Item = InvalidConfig> + '_ {
        self.warnings.iter().cloned().chain(self.open_listeners())
    }

    /// Returns the listeners that other machines may use without a key or token.
    fn open_listeners(&self) -> impl Iterator<Item = InvalidConfig> {
        let tenants = &self.fb.tenants;
        let has_keys = tenants.values().any(|tenant| tenant.all_keys().next().is_some());
        let is_anonymous = tenants.get("default").is_some_and(|tenant| tenant.anonymous);
        let is_open = |listen: SocketAddr| !listen.ip().is_loopback();
        let server = (!has_keys || is_anonymous) && is_open(self.server.listen);
        let server = server.then(|| {
            let expected =
                "takes callers without an API key; expected a key for each tenant, or a loopback address";
            InvalidConfig::new("server.listen", self.server.listen.to_string(), expected)
        });
        let admin = self.admin.as_ref().filter(|admin| admin.token.is_none() && is_open(admin.listen));
        let admin = admin.map(|admin| {
            let expected = "is read by anyone; expected admin.token, or a loopback address";
            InvalidConfig::new("admin.listen", admin.listen.to_string(), expected)
        });
        server.into_iter().chain(admin)
    }
}

/// Reads the text of a config file.
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
/// Every error, one per line, as `FILE:LINE:COLUMN`.
pub fn load(file: &Path) -> Result<LoadedConfig, String> {
    load_with(file, parse)
}

/// Reads and checks a config file for a command that calls no provider: missing API keys get placeholders.
pub(crate) fn load_without_keys(file: &Path) -> Result<LoadedConfig, String> {
    load_with(file, parse_without_keys)
}

/// Reads and checks a config file for a command that calls providers but serves no clients: the keys of tenants and the
/// admin token may be missing.
pub(crate) fn load_to_evaluate(file: &Path) -> Result<LoadedConfig, String> {
    load_with(file, |text| parse_for(text, Purpose::Evaluate))
}

fn load_with(
    file: &Path,
    parse: impl Fn(&str) -> Result<LoadedConfig, Vec<ConfigError>>,
) -> Result<LoadedConfig, String> {
    let text = read(file)?;
    parse(&text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{}:{error}", file.display())).collect();
        lines.join("\n")
    })
}

/// Parses and checks the text of a config.
///
/// # Errors
/// The first type error; without one, every invalid value. No error contains the value of a secret.
pub fn parse(text: &str) -> Result<LoadedConfig, Vec<ConfigError>> {
    parse_for(text, Purpose::Serve)
}

/// Parses and checks the text of a config, with placeholders for missing API keys.
pub(crate) fn parse_without_keys(text: &str) -> Result<LoadedConfig, Vec<ConfigError>> {
    parse_for(text, Purpose::DryRun)
}

/// Finds a route by its name or an alias.
pub(crate) fn find_route<'a>(config: &'a Config, name: &str) -> Option<&'a Route> {
    let has_alias = |route: &&Route| route.aliases.iter().any(|alias| alias == name);
    config.routes.get(name).or_else(|| config.routes.values().find(has_alias))
}

/// The use of a config, which decides which keys it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Serving clients: all keys are needed, and targets need the evaluations that their routes require.
    Serve,
    /// Sending golden cases: the API keys of providers are needed.
    Evaluate,
    /// Calling no provider: missing API keys get placeholders.
    DryRun,
}

fn parse_for(text: &str, purpose: Purpose) -> Result<LoadedConfig, Vec<ConfigError>> {
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
    let mut problems: Vec<InvalidConfig> = eval.iter().flat_map(EvalConfig::problems).collect();
    let (mut evaluations, mut warnings) = (Evaluations::default(), Vec::new());
    if purpose == Purpose::DryRun {
        providers.values_mut().for_each(use_placeholder_key);
    }
    if purpose == Purpose::Serve {
        if server.operator_routes && admin.as_ref().is_none_or(|admin| admin.token.is_none()) {
            let expected = "expected a token in [admin], which these requests must carry";
            problems.push(InvalidConfig::new("server.operator_routes", "true", expected));
        }
        evaluations = read_evaluations(eval.as_ref(), &routes, &providers).unwrap_or_else(|found| {
            // An unreadable results file must not stop a gateway that requires no evaluations.
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
            // Requests of a dry run are made by the tenant itself, not by one of its keys.
            tenant.keys.clear();
            // Limits per day and month follow the calendar, which virtual time does not.
            (tenant.usd_per_day, tenant.usd_per_month) = (None, None);
        }
        // Nothing is spent, and a running gateway may have locked the ledger.
        ledger = None;
    }
    let fb = Config::with(|config| {
        config.providers = providers;
        config.routes = routes;
        config.breaker = breaker;
        config.retry = retry;
        config.retry_budget = retry_budget;
        config.health = health;
        config.cache = cache;
        config.traces = traces;
        config.prices = prices;
        config.tenants = tenants;
        config.ledger = ledger;
        config.evaluations = evaluations;
    })
    .with_route_names();
    problems.extend(fb.problems());
    if fb.routes.is_empty() {
        problems.push(InvalidConfig::new(
            "routes",
            "none",
            "expected at least one route, such as [routes.default]",
        ));
    }
    problems.extend(server.problems());
    let records = record.iter().flat_map(RecordConfig::problems);
    for error in Drift::new(drift.clone()).err().into_iter().chain(records) {
        problems.push(error);
    }
    problems.extend(admin.iter().flat_map(AdminConfig::problems));
    if problems.is_empty() {
        warnings.extend(fb.warnings());
        Ok(LoadedConfig { server, admin, record, eval, drift, fb, warnings })
    } else {
        Err(problems.iter().map(|problem| document.locate(problem)).collect())
    }
}

/// Reads which targets passed their evaluations, from the results file of `[eval]`.
fn read_evaluations(
    eval: Option<&EvalConfig>,
    routes: &BTreeMap<String, Route>,
    providers: &BTreeMap<String, ProviderConfig>,
) -> Result<Evaluations, Vec<InvalidConfig>> {
    if let Some(eval) = eval {
        return evaluations(&eval.results, eval.min_pass, routes, providers).map_err(|error| {
            let value = format!("{:?}", eval.results.display().to_string());
            vec![InvalidConfig::new("eval.results", value, error)]
        });
    }
    let missing = routes.iter().filter(|(_, route)| route.require_eval).map(|(name, _)| {
        let expected = "expected a table [eval] with `results`, the results file of `fb eval`";
        InvalidConfig::new(format!("routes.{name}.require_eval"), "true", expected)
    });
    let missing: Vec<InvalidConfig> = missing.collect();
    if missing.is_empty() { Ok(Evaluations::default()) } else { Err(missing) }
}

/// Replaces a missing API key by a placeholder.
fn use_placeholder_key(provider: &mut ProviderConfig) {
    let is_key = |field: &str| field == "api_key" || field.starts_with("api_keys[");
    if provider.build().is_err_and(|error| is_key(&error.field)) {
        provider.api_key = Some(Secret::value("none"));
        provider.api_keys.clear();
    }
}

#[cfg(test)]
mod tests;
