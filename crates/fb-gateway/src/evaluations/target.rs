//! The targets that are evaluated, and digests of their settings.

use std::{collections::BTreeMap, time::Duration};

use fb::{QualityConfig, Route, Target, TargetCapabilities, providers::ProviderConfig};

/// A target of a route with its settings. The same name with other settings is another target.
#[derive(Debug, Clone)]
pub(crate) struct EvalTarget {
    /// `PROVIDER/MODEL`.
    pub(crate) name: String,
    /// The name in tables: `PROVIDER/MODEL #2` for the second target of this name.
    pub(crate) label: String,
    /// The [`digest`] of the settings that affect its answers.
    pub(crate) digest: String,
    pub(crate) target: Target,
}

/// Returns the enabled targets of a route and its ladder, the primary first. Targets with the same name and digest are
/// returned once.
pub(crate) fn eval_targets(route: &Route, providers: &BTreeMap<String, ProviderConfig>) -> Vec<EvalTarget> {
    let mut all: Vec<EvalTarget> = Vec::new();
    for (_, target) in route.all_targets().filter(|(_, target)| target.enabled) {
        let name = target.name();
        // A config with a target without its provider is rejected before any call.
        let provider = providers.get(&target.provider);
        let digest = provider.map(|provider| digest(route, target, provider)).unwrap_or_default();
        if all.iter().any(|other| other.name == name && other.digest == digest) {
            continue;
        }
        let label = match all.iter().filter(|other| other.name == name).count() {
            0 => name.clone(),
            before => format!("{name} #{}", before + 1),
        };
        all.push(EvalTarget { name, label, digest, target: target.clone() });
    }
    all
}

/// Returns a digest, 16 hexadecimal digits, of the settings that affect a target's answers: the quality gates of the
/// route, the target's own settings, and the kind and address of its provider. Settings of selection and price are left
/// out.
///
/// Settings at their defaults are left out too, so that a later version with more settings computes the same digest.
pub(crate) fn digest(route: &Route, target: &Target, provider: &ProviderConfig) -> String {
    let Target { model, timeout, first_output, total, max_output, capabilities, set, .. } = target;
    let ProviderConfig { kind, base_url, api_version, num_ctx, .. } = provider;
    // The default of the first version.
    let timeout = timeout.unwrap_or(Duration::from_secs(30));
    let mut parts = vec![format!("model={model}"), format!("timeout={timeout:?}"), format!("kind={kind}")];
    let mut add =
        |name: &str, value: Option<String>| parts.extend(value.map(|value| format!("{name}={value}")));
    add("first_output", first_output.map(|limit| format!("{limit:?}")));
    add("total", total.map(|limit| format!("{limit:?}")));
    add("max_output", max_output.map(|tokens| tokens.to_string()));
    let TargetCapabilities {
        tools,
        parallel_tools,
        json_schema,
        vision,
        streaming,
        thinking,
        prefill,
        context,
        max_body,
        ..
    } = capabilities;
    let flags = [
        ("tools", tools),
        ("parallel_tools", parallel_tools),
        ("json_schema", json_schema),
        ("vision", vision),
        ("streaming", streaming),
        ("thinking", thinking),
        ("prefill", prefill),
    ];
    for (name, flag) in flags {
        add(&format!("capabilities.{name}"), flag.map(|flag| flag.to_string()));
    }
    add("capabilities.context", context.map(|tokens| tokens.to_string()));
    add("capabilities.max_body", max_body.map(|bytes| bytes.to_string()));
    add("deadline", route.deadline.map(|deadline| format!("{deadline:?}")));
    let default_attempts = Route::priority("", []).max_attempts;
    add("max_attempts", (route.max_attempts != default_attempts).then(|| route.max_attempts.to_string()));
    add("base_url", base_url.clone());
    add("api_version", api_version.clone());
    add("num_ctx", num_ctx.map(|tokens| tokens.to_string()));
    for (name, value) in set {
        add(&format!("set.{name}"), Some(value.get().to_owned()));
    }
    for (name, value) in changed_gates(&route.quality) {
        add(&format!("quality.{name}"), Some(value));
    }
    hash(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Returns the quality settings that differ from their defaults.
fn changed_gates(quality: &QualityConfig) -> Vec<(String, String)> {
    let fields = |quality: &QualityConfig| match serde_json::to_value(quality) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let defaults = fields(&QualityConfig::default());
    let set = fields(quality).into_iter().filter(|(name, value)| defaults.get(name) != Some(value));
    set.map(|(name, value)| (name, value.to_string())).collect()
}

/// Hashes texts to 16 hexadecimal digits.
pub(crate) fn hash(parts: &[&str]) -> String {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hash.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fb::{Json, LadderConfig, Price, Rung};

    use super::*;

    fn default_digest(target: &Target, provider: &ProviderConfig) -> String {
        digest(&Route::priority("default", []), target, provider)
    }

    #[test]
    fn digest_depends_on_every_setting_that_affects_answers() {
        let (target, provider) = (Target::new("a", "m"), ProviderConfig::new("ollama"));
        let original = default_digest(&target, &provider);
        assert!(original.len() == 16 && original.bytes().all(|byte| byte.is_ascii_hexdigit()), "{original}");

        let set = |value| Target { set: BTreeMap::from([("seed".to_owned(), value)]), ..target.clone() };
        let [one, two] = [1, 2].map(|seed| Json::print(&seed).unwrap());
        let mut moved = provider.clone();
        moved.base_url = Some("http://127.0.0.1:1".to_owned());
        let capabilities = TargetCapabilities::with(|capabilities| capabilities.tools = Some(false));
        let no_tools = Target { capabilities, ..target.clone() };
        let mut route = Route::priority("default", []);
        route.quality = QualityConfig::with(|config| config.empty = true);
        let mut others = vec![
            original.clone(),
            default_digest(&Target::new("a", "n"), &provider),
            default_digest(&set(one), &provider),
            default_digest(&set(two), &provider),
            default_digest(&target.clone().timeout_secs(1), &provider),
            default_digest(&Target { max_output: Some(9), ..target.clone() }, &provider),
            default_digest(&no_tools, &provider),
            default_digest(&target, &ProviderConfig::new("llamacpp")),
            default_digest(&target, &moved),
            default_digest(&target, &{
                let mut config = provider.clone();
                config.num_ctx = Some(8);
                config
            }),
            digest(&route, &target, &provider),
            digest(&Route::priority("default", []).deadline(Duration::from_secs(1)), &target, &provider),
            digest(&Route { max_attempts: 1, ..Route::priority("default", []) }, &target, &provider),
        ];
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 13, "{others:?}");

        let price = Price { input: 1.0, output: 2.0 };
        let reordered = target.weight(2.0).priority(7).max_in_flight(1).region("eu").price(price);
        assert_eq!(
            default_digest(&reordered, &{
                let mut config = provider;
                config.models = vec!["m".to_owned()];
                config
            }),
            original
        );
    }

    #[test]
    fn target_is_returned_once_for_each_of_its_settings() {
        let [a, b] = ["a", "b"].map(|provider| Target::new(provider, "m"));
        let quick = a.clone().timeout_secs(1);
        let reduced = Some(Rung::with(|rung| rung.targets = vec![b.clone(), quick.clone(), a.clone()]));
        let ladder = LadderConfig::with(|config| config.reduced = reduced);
        let route = Route::priority("default", [a.clone(), b.enabled(false), a.weight(2.0), quick]);
        let providers = ["a", "b"].map(|name| (name.to_owned(), ProviderConfig::new("ollama")));
        let labels: Vec<String> = eval_targets(&route.ladder(ladder), &providers.into())
            .into_iter()
            .map(|target| target.label)
            .collect();
        assert_eq!(labels, ["a/m", "a/m #2", "b/m"]);
    }
}
