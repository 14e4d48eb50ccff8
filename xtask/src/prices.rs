//! Writes the built-in price list from the data of genai-prices, without the fields that no lookup reads.
//!
//! The crate offers its data only as a whole, parsed for good: tens of milliseconds and 30 MB. A list with one line for
//! each provider lets `fb-budget` parse only the line that it needs.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::process::{cargo, read, root};

const LIST: &str = "crates/fb-budget/src/price_book/list.txt";

/// `cargo xtask prices`: writes the list of the locked release of genai-prices. A test of `fb-budget` fails when it is stale.
pub(crate) fn write() -> Result<ExitCode> {
    let text = read(&mut cargo("metadata --format-version 1 --locked"))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == "genai-prices").context("no genai-prices")?;
    let manifest = package["manifest_path"].as_str().context("genai-prices has no manifest_path")?;
    let data = Path::new(manifest).with_file_name("data").join("prices.json");
    let data = fs::read_to_string(&data).with_context(|| format!("cannot read {}", data.display()))?;
    let list = list(&data)?;
    fs::write(root().join(LIST), &list).with_context(|| format!("cannot write {LIST}"))?;
    println!("prices: wrote {LIST}, {} providers", list.lines().count() - 1);
    Ok(ExitCode::SUCCESS)
}

/// Returns a line with all providers, without their models; then one line for each provider: its ID and those of the
/// providers that its other models come from, separated by commas, a space, and the provider.
fn list(data: &str) -> Result<String> {
    let providers: Vec<Map<String, Value>> = serde_json::from_str(data).context("the list is not JSON")?;
    let (mut heads, mut lines) = (Vec::new(), String::new());
    for provider in &providers {
        let mut head =
            picked(provider, &["id", "name", "model_match", "provider_match", "fallback_model_providers"]);
        // Required, and read only for lookups by address.
        head.insert("api_pattern".to_owned(), "-".into());
        let mut whole = head.clone();
        let models = provider.get("models").and_then(Value::as_array).into_iter().flatten();
        let models = models.filter_map(Value::as_object);
        let models = models.map(|model| Value::Object(picked(model, &["id", "match", "prices"])));
        whole.insert("models".to_owned(), models.collect());
        let id = head.get("id").context("a provider has no id")?;
        let fallbacks = head.get("fallback_model_providers").and_then(Value::as_array).into_iter().flatten();
        let ids: Vec<&str> = [id].into_iter().chain(fallbacks).filter_map(Value::as_str).collect();
        lines.extend([ids.join(","), " ".to_owned(), Value::Object(whole).to_string(), "\n".to_owned()]);
        heads.push(Value::Object(head));
    }
    Ok(format!("{}\n{lines}", Value::Array(heads)))
}

fn picked(object: &Map<String, Value>, fields: &[&str]) -> Map<String, Value> {
    let fields = object.iter().filter(|(name, _)| fields.contains(&name.as_str()));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_what_lookups_read() {
        let data = r#"[{"id": "a", "name": "A", "api_pattern": "https://a", "extractors": [],
            "fallback_model_providers": ["b", "c"],
            "models": [{"id": "m", "match": {"equals": "m"}, "description": "M", "prices": {"input_mtok": 1}}]}]"#;
        let expected = r#"[{"api_pattern":"-","fallback_model_providers":["b","c"],"id":"a","name":"A"}]
a,b,c {"api_pattern":"-","fallback_model_providers":["b","c"],"id":"a","models":[{"id":"m","match":{"equals":"m"},"prices":{"input_mtok":1}}],"name":"A"}
"#;
        assert_eq!(list(data).unwrap(), expected);
    }
}
