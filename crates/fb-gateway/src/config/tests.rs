use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use fb::{BreakerConfig, BudgetConfig, CacheConfig, HealthConfig, RetryConfig, Route, RouteCache, Target};
use fb_server::LogFormat;
use fb_telemetry::{DriftConfig, record::RecordConfig};
use serde_json::{Value, json};

use super::{ServerConfig, parse, parse_without_keys};
use crate::config::eval::default_min_pass;

/// Returns the complete configs among the TOML blocks of a page, each with the line of its fence.
fn configs(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line == "```toml" {
            let block = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let block = block.collect::<Vec<_>>().join("\n");
            if ["[routes", "[providers"].iter().any(|table| block.contains(table)) {
                found.push((index + 1, block));
            }
        }
    }
    found
}

/// Collects the pages of a folder and its subfolders.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// Returns the names of the files in a folder.
fn names(folder: &Path) -> Vec<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn every_config_in_the_documentation_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut files);
    // Variables that are always set; two keys must not have the same value.
    let keys = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOGETHER_API_KEY", "FB_ADMIN_TOKEN", "ACME_KEY"];
    let (mut with_configs, mut wrong) = (BTreeSet::new(), Vec::new());
    for file in files {
        for (fence, config) in configs(&fs::read_to_string(&file).unwrap()) {
            let config = keys.iter().fold(config, |config, key| config.replace(key, "PATH"));
            let others = ["ACME_CI_KEY", "OPENAI_SECOND_KEY"];
            let config = others.iter().fold(config, |config, key| config.replace(key, "CARGO_MANIFEST_DIR"));
            // The library reads the same file.
            assert_eq!(fb::Config::from_toml(&config).err(), None, "{}:{fence}", file.display());
            for error in parse(&config).err().unwrap_or_default() {
                let page = file.strip_prefix(&root).unwrap().display();
                wrong.push(format!("{page}:{}: {}", fence + error.line, error.message));
            }
            with_configs.insert(file.file_name().unwrap().to_owned());
        }
    }
    assert_eq!(wrong, [""; 0]);
    for page in names(&root.join("docs/guide")).into_iter().chain(["README.md".into()]) {
        assert!(with_configs.contains(&page), "no config in {}", page.display());
    }
}

/// Returns every default by its path in a config file, as it is written there; `off` for a setting that is off unless
/// set.
fn defaults() -> BTreeMap<String, String> {
    let time = |time: Duration| humantime::format_duration(time).to_string();
    let (server, record) = (ServerConfig::default(), RecordConfig::new("requests.jsonl"));
    let route = Route::priority("default", []);
    let target = Target::new("p", "m");
    let usual = RouteCache::enabled();
    let tables = json!({
        "breaker": BreakerConfig::default(),
        "retry": RetryConfig::default(),
        "retry_budget": BudgetConfig::default(),
        "health": HealthConfig::default(),
        "cache": CacheConfig::default(),
        "drift": DriftConfig::default(),
        "server": {
            "listen": server.listen.to_string(),
            "max_body": server.max_body,
            "max_bodies": server.max_bodies,
            "max_connections": server.max_connections,
            "head_timeout": time(server.head_timeout),
            "body_timeout": time(server.body_timeout),
            "write_timeout": time(server.write_timeout),
            "heartbeat": time(server.heartbeat),
            "early_headers": server.early_headers.map(time),
            "max_head": server.max_head,
            "keep_alive": time(server.keep_alive),
            "drain_delay": time(server.drain_delay),
            "drain": time(server.drain),
            "cors": server.cors.first(),
            "hosts": server.hosts.first(),
            "direct_targets": server.direct_targets.map(|_| "set"),
            "expose_trace": server.expose_trace,
            "expose_costs": server.expose_costs,
            "log": if server.log == LogFormat::Text { "text" } else { "json" },
            "operator_routes": server.operator_routes,
        },
        "eval": { "min_pass": default_min_pass() },
        "record": { "max_bytes": record.max_bytes, "keep": record.keep },
        "routes.NAME": {
            "max_attempts": route.max_attempts,
            "idle_timeout": time(route.idle_timeout),
            "semantic_gap": time(route.semantic_gap),
            "stream_total": time(route.stream_total),
            "last_resort_wait": time(route.last_resort_wait),
            "cache.fresh": route.cache.fresh.map(time),
            "cache.fresh = true": usual.fresh.map(time),
            "cache.stale_if_error": route.cache.stale_if_error.map(time),
            "cache.stale_if_error = true": usual.stale_if_error.map(time),
            "cache.any_temperature": route.cache.any_temperature,
            "cache.key": "request",
            "cache.tool_calls": route.cache.tool_calls,
            "ladder.descend_after": route.ladder.descend_after,
            "ladder.within": time(route.ladder.within),
            "ladder.climb": time(route.ladder.climb),
            "race": route.race,
            "hedge": route.hedge,
            "sticky": route.sticky,
            "complexity": route.complexity,
            "targets.weight": target.weight,
            "targets.max_in_flight": target.max_in_flight,
            "targets.max_retries": target.max_retries,
            "targets.timeout": target.timeout.map(time),
            "targets.first_output": target.first_output.map(time),
            "targets.idle": target.idle.map(time),
            "targets.total": target.total.map(time),
            "targets.enabled": target.enabled,
        },
    });
    let mut flat = BTreeMap::new();
    flatten("", &tables, &mut flat);
    flat
}

fn flatten(at: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    let written = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(format!("{at}.{name}").trim_start_matches('.'), value, flat);
            }
            return;
        }
        // The page describes the keywords and does not list them.
        Value::Array(_) => return,
        Value::Null => "off".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    flat.insert(at.to_owned(), written);
}

#[test]
fn page_of_defaults_has_every_default_with_a_reason() {
    let page = include_str!("../../../../docs/reference/defaults.md");
    let mut written = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [setting, value, reason] = cells[..] else { continue };
        let [Some(setting), Some(value)] =
            [setting, value].map(|cell| cell.strip_prefix('`')?.strip_suffix('`'))
        else {
            continue;
        };
        assert!(!reason.is_empty(), "no reason for {setting}");
        assert_eq!(written.insert(setting.to_owned(), value.to_owned()), None, "{setting} is listed twice");
    }
    assert_eq!(written, defaults());
}

#[test]
fn page_of_defaults_has_every_changed_default() {
    let page = include_str!("../../../../docs/reference/defaults.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Changed since 0.1")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    let written: Vec<_> =
        rows.filter_map(|(setting, rest)| Some((setting, rest.split_once('`')?.0))).collect();
    let config = |more: &str| {
        let text = format!(
            "[providers.p]\nkind = \"ollama\"\n[routes.default]\n\
             targets = [{{ provider = \"p\", model = \"m\"{more} }}]"
        );
        parse(&text).unwrap().fb.changed_defaults()
    };
    assert_eq!(config(""), written);
    let settings = |changed: Vec<(&'static str, _)>| changed.into_iter().map(|(setting, _)| setting);
    assert!(settings(config(", timeout = \"30s\"")).all(|setting| setting != "routes.NAME.targets.timeout"));
    let old = "[breaker]\nopen = { max = \"5m\" }\nslow = { first = \"20s\", total = \"2m\" }\n\
               [health.outlier]\nbase = \"30s\"\nmax = \"5m\"\n[providers.p]\nkind = \"ollama\"\n\
               [routes.default]\ndeadline = \"60s\"\ntargets = [{ provider = \"p\", model = \"m\", timeout = \"30s\", max_retries = 1 }]";
    assert_eq!(parse(old).unwrap().fb.changed_defaults(), []);
    // What a provider or a target overrides counts, and what no target uses does not.
    let by_provider = old
        .replace("[breaker]", "[providers.p.breaker]")
        .replace("[health.outlier]", "[providers.p.health.outlier]");
    let by_provider = by_provider.replacen("[providers.p]\nkind", "[providers.other]\nkind", 1)
        + "\n[providers.p]\nkind = \"ollama\"";
    assert_eq!(parse(&by_provider).unwrap().fb.changed_defaults(), []);
    let again = format!("{old}\n[providers.p.breaker]\nopen = {{ max = \"15s\" }}");
    assert_eq!(parse(&again).unwrap().fb.changed_defaults(), [("breaker.open.max", "5m")]);
}

/// Returns the canonical form of a value: `1m` equals `60s`, `2` equals `2.0`.
fn canonical(value: &str) -> String {
    let value = value.trim_matches('"');
    match (value.parse::<f64>(), humantime::parse_duration(value)) {
        (Ok(number), _) => number.to_string(),
        (_, Ok(time)) => format!("{time:?}"),
        _ => value.to_owned(),
    }
}

#[test]
fn reference_page_has_the_defaults_of_the_code() {
    let page = include_str!("../../../../docs/reference/config.md");
    let (mut table, mut written) = ("", BTreeMap::new());
    for line in page.lines() {
        if line.starts_with('#') {
            table = line.trim_matches(['#', ' ', '`', '[', ']']);
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [field, _, default, _] = cells[..] {
            // A default in words describes the behavior when the setting is absent.
            let value = default.strip_prefix('`').and_then(|rest| rest.split('`').next()).unwrap_or("off");
            written.insert(format!("{table}.{}", field.trim_matches('`')), canonical(value));
        }
    }
    for (setting, value) in defaults() {
        if !setting.ends_with("= true") {
            assert_eq!(written.get(&setting), Some(&canonical(&value)), "{setting}");
        }
    }
}

#[test]
fn dry_run_needs_no_keys_but_reports_other_errors() {
    let text = |more: &str| {
        format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = {{ env = \"FB_TEST_NO_SUCH_KEY\" }}\n\
             [providers.a]\nkind = \"openai\"\napi_key = {{ env = \"FB_TEST_NO_SUCH_KEY\" }}\n{more}\n\
             [routes.default]\ntargets = [{{ provider = \"a\", model = \"m\" }}]"
        )
    };
    assert_eq!(parse(&text("")).map(drop).unwrap_err().len(), 2, "the key and the token");
    assert!(parse_without_keys(&text("")).is_ok());
    let errors = parse_without_keys(&text("base_url = \"ftp://x\"")).map(drop).unwrap_err();
    assert!(errors[0].message.starts_with("providers.a.base_url"), "{errors:?}");
}
