use std::collections::BTreeMap;

use fb::{QualityConfig, Route, Target, TargetCapabilities, providers::ProviderConfig};

/// A target as a route lists it: with other settings it is another one, whatever its name.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// As `PROVIDER/MODEL`.
    pub(crate) name: String,
    /// The same for people: the second one of a name is `PROVIDER/MODEL #2`.
    pub(crate) label: String,
    /// The [`digest`] of what its answers are made of.
    pub(crate) of: String,
    pub(crate) target: Target,
}

/// The enabled targets of a route and its ladder, the primary first; those of one name and digest once.
pub(crate) fn listed(route: &Route, providers: &BTreeMap<String, ProviderConfig>) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for (_, target) in route.all_targets().filter(|(_, target)| target.enabled) {
        let name = target.name();
        // Without a provider nobody is asked: the config is refused.
        let provider = providers.get(&target.provider);
        let of = provider.map(|provider| digest(route, target, provider)).unwrap_or_default();
        if all.iter().any(|other| other.name == name && other.of == of) {
            continue;
        }
        let label = match all.iter().filter(|other| other.name == name).count() {
            0 => name.clone(),
            before => format!("{name} #{}", before + 1),
        };
        all.push(Listed { name, label, of, target: target.clone() });
    }
    all
}

/// What a target's answers are made of: the route's checks, its own settings, its provider's kind and address. Settings that
/// only say when it is asked and what it costs are left out. 16 hexadecimal digits.
///
/// Only what is set counts, so that a later fb with more settings finds the same.
pub(crate) fn digest(route: &Route, target: &Target, provider: &ProviderConfig) -> String {
    let Target { model, timeout, max_output, capabilities, set, .. } = target;
    let ProviderConfig { kind, base_url, api_version, num_ctx, .. } = provider;
    let mut said = vec![format!("model={model}"), format!("timeout={timeout:?}"), format!("kind={kind}")];
    let mut say =
        |name: &str, value: Option<String>| said.extend(value.map(|value| format!("{name}={value}")));
    say("max_output", max_output.map(|most| most.to_string()));
    let TargetCapabilities { tools, parallel_tools, json_schema, vision, streaming, context, max_body } =
        capabilities;
    let abilities = [
        ("tools", tools),
        ("parallel_tools", parallel_tools),
        ("json_schema", json_schema),
        ("vision", vision),
        ("streaming", streaming),
    ];
    for (name, ability) in abilities {
        say(&format!("capabilities.{name}"), ability.map(|able| able.to_string()));
    }
    say("capabilities.context", context.map(|tokens| tokens.to_string()));
    say("capabilities.max_body", max_body.map(|bytes| bytes.to_string()));
    say("deadline", route.deadline.map(|deadline| format!("{deadline:?}")));
    let attempts = Route::priority("", []).max_attempts;
    say("max_attempts", (route.max_attempts != attempts).then(|| route.max_attempts.to_string()));
    say("base_url", base_url.clone());
    say("api_version", api_version.clone());
    say("num_ctx", num_ctx.map(|tokens| tokens.to_string()));
    for (name, value) in set {
        say(&format!("set.{name}"), Some(value.get().to_owned()));
    }
    for (name, value) in checks(&route.quality) {
        say(&format!("quality.{name}"), Some(value));
    }
    hash(&said.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The checks that are not as they are unless set.
fn checks(quality: &QualityConfig) -> Vec<(String, String)> {
    let fields = |quality: &QualityConfig| match serde_json::to_value(quality) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let usual = fields(&QualityConfig::default());
    let set = fields(quality).into_iter().filter(|(name, value)| usual.get(name) != Some(value));
    set.map(|(name, value)| (name, value.to_string())).collect()
}

/// Texts as 16 hexadecimal digits.
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

    fn of(target: &Target, provider: &ProviderConfig) -> String {
        digest(&Route::priority("default", []), target, provider)
    }

    #[test]
    fn what_may_change_an_answer_changes_the_digest() {
        let (target, provider) = (Target::new("a", "m"), ProviderConfig::new("ollama"));
        let usual = of(&target, &provider);
        assert!(usual.len() == 16 && usual.bytes().all(|byte| byte.is_ascii_hexdigit()), "{usual}");

        let set = |value| Target { set: BTreeMap::from([("seed".to_owned(), value)]), ..target.clone() };
        let [one, two] = [1, 2].map(|seed| Json::print(&seed).unwrap());
        let moved = ProviderConfig { base_url: Some("http://127.0.0.1:1".to_owned()), ..provider.clone() };
        let capabilities = TargetCapabilities { tools: Some(false), ..TargetCapabilities::default() };
        let no_tools = Target { capabilities, ..target.clone() };
        let mut route = Route::priority("default", []);
        route.quality = QualityConfig { empty: true, ..QualityConfig::default() };
        let mut others = vec![
            usual.clone(),
            of(&Target::new("a", "n"), &provider),
            of(&set(one), &provider),
            of(&set(two), &provider),
            of(&target.clone().timeout_secs(1), &provider),
            of(&Target { max_output: Some(9), ..target.clone() }, &provider),
            of(&no_tools, &provider),
            of(&target, &ProviderConfig::new("llamacpp")),
            of(&target, &moved),
            of(&target, &ProviderConfig { num_ctx: Some(8), ..provider.clone() }),
            digest(&route, &target, &provider),
            digest(&Route::priority("default", []).deadline(Duration::from_secs(1)), &target, &provider),
            digest(&Route { max_attempts: 1, ..Route::priority("default", []) }, &target, &provider),
        ];
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 13, "{others:?}");

        let price = Price { input: 1.0, output: 2.0 };
        let elsewhere = target.weight(2.0).priority(7).max_in_flight(1).region("eu").price(price);
        assert_eq!(of(&elsewhere, &ProviderConfig { models: vec!["m".to_owned()], ..provider }), usual);
    }

    #[test]
    fn a_target_is_listed_once_for_all_settings_it_has() {
        let [a, b] = ["a", "b"].map(|provider| Target::new(provider, "m"));
        let quick = a.clone().timeout_secs(1);
        let reduced = Some(Rung { targets: vec![b.clone(), quick.clone(), a.clone()], ..Rung::default() });
        let ladder = LadderConfig { reduced, ..LadderConfig::default() };
        let route = Route::priority("default", [a.clone(), b.enabled(false), a.weight(2.0), quick]);
        let providers = ["a", "b"].map(|name| (name.to_owned(), ProviderConfig::new("ollama")));
        let labels: Vec<String> =
            listed(&route.ladder(ladder), &providers.into()).into_iter().map(|listed| listed.label).collect();
        assert_eq!(labels, ["a/m", "a/m #2", "b/m"]);
    }
}
