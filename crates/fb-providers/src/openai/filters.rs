use std::collections::BTreeMap;

use serde::Deserialize;

/// Lists the filters of Azure that rejected a prompt, such as `violence (high), jailbreak`.
pub(super) fn describe(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Outer,
    }
    #[derive(Deserialize)]
    struct Outer {
        innererror: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        content_filter_result: BTreeMap<String, Filter>,
    }
    #[derive(Deserialize)]
    struct Filter {
        #[serde(default)]
        filtered: bool,
        severity: Option<String>,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    let filters = body.error.innererror.content_filter_result;
    let declined: Vec<String> = filters
        .into_iter()
        .filter(|(_, filter)| filter.filtered)
        .map(|(name, filter)| match filter.severity {
            Some(severity) => format!("{name} ({severity})"),
            None => name,
        })
        .collect();
    if declined.is_empty() { None } else { Some(format!("prompt filtered: {}", declined.join(", "))) }
}
