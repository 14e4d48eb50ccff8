use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use fb::{BreakerConfig, BudgetConfig, CacheConfig, HealthConfig, RetryConfig, Route, RouteCache, Target};
use serde_json::{Value, json};

use super::{ServerConfig, parse};

/// The TOML blocks of a page, with keys that every machine has.
fn configs(page: &str) -> Vec<String> {
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let keys = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "FB_ADMIN_TOKEN"];
    let known = |block: &str| keys.iter().fold(block.to_owned(), |block, key| block.replace(key, "PATH"));
    blocks.map(known).collect()
}

#[test]
fn every_config_in_the_documentation_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guides = fs::read_dir(root.join("docs/guide")).unwrap().map(|entry| entry.unwrap().path());
    for file in guides.chain([root.join("README.md")]) {
        let page = fs::read_to_string(&file).unwrap();
        let configs = configs(&page);
        assert!(!configs.is_empty(), "no config in {}", file.display());
        for config in configs {
            let errors = parse(&config).err().unwrap_or_default();
            assert!(errors.is_empty(), "{errors:?}\n{config}");
        }
    }
}

/// Every default by its path in a config file, as it is written there; what is off unless set is `off`.
fn defaults() -> BTreeMap<String, String> {
    let time = |time: Duration| humantime::format_duration(time).to_string();
    let server = ServerConfig::default();
    let route = Route::priority("default", []);
    let target = Target::new("p", "m");
    let usual = RouteCache::usual();
    let tables = json!({
        "breaker": BreakerConfig::default(),
        "retry": RetryConfig::default(),
        "retry_budget": BudgetConfig::default(),
        "health": HealthConfig::default(),
        "cache": CacheConfig::default(),
        "server": {
            "listen": server.listen.to_string(),
            "max_body": server.max_body,
            "max_connections": server.max_connections,
            "head_timeout": time(server.head_timeout),
            "body_timeout": time(server.body_timeout),
            "drain": time(server.drain),
        },
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
            "cache.tool_calls": route.cache.tool_calls,
            "targets.max_retries": target.max_retries,
            "targets.timeout": time(target.timeout),
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
        Value::Null => "off".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    flat.insert(at.to_owned(), written);
}

#[test]
fn the_page_of_defaults_has_every_default_and_a_reason() {
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
        assert_eq!(
            written.insert(setting.to_owned(), value.to_owned()),
            None,
            "{setting} stands there twice"
        );
    }
    assert_eq!(written, defaults());
}
