pub(crate) mod eval;
pub(crate) mod from_environment;
mod locate;

use std::{collections::BTreeMap, fs, path::Path};

use fb::{
    BreakerConfig, BudgetConfig, CacheConfig, Config, Evaluations, HealthConfig, InvalidConfig, LedgerConfig,
    PriceConfigs, RetryConfig, Route, Tenant, TracesConfig,
    providers::{ProviderConfig, Secret},
};
use fb_server::{AdminConfig, ServerConfig};
use fb_telemetry::{Drift, DriftConfig, record::RecordConfig};
use serde::Deserialize;

pub use self::locate::Located;
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
    breaker: BreakerConfig,
    retry: RetryConfig,
    retry_budget: BudgetConfig,
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
    pub warnings: Vec<InvalidConfig>,
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
    let mut problems: Vec<InvalidConfig> = eval.iter().flat_map(EvalConfig::problems).collect();
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
        Ok(Loaded { server, admin, record, eval, drift, fb, warnings })
    } else {
        Err(problems.iter().map(|problem| document.locate(problem)).collect())
    }
}

/// Which targets passed, for routes that want to know.
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
        let expected = "expected a table [eval] with the file of `results` that says who passed";
        InvalidConfig::new(format!("routes.{name}.require_eval"), "true", expected)
    });
    let missing: Vec<InvalidConfig> = missing.collect();
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
