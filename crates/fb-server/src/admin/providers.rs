//! The providers of the client. They are shown by name only: their settings refer to secrets.

use std::collections::BTreeMap;

use bytes::Bytes;
use fb::{Change, Route, providers::ProviderConfig};
use http::request::Parts;
use http_body::Body;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    audit,
    change::{apply, table, unusable},
    json::{read, read_optional},
    routes,
    state::AdminState,
};
use crate::{
    body::{self, Response},
    error::Rejection,
    routing::BoxError,
};

/// Lists the names of the providers.
pub(super) fn list(state: &AdminState) -> Response {
    body::json(&json!({ "providers": state.client.providers() }))
}

/// Adds a provider, or replaces the one of its name, and lists the names of all.
pub(super) async fn add<B>(state: &AdminState, parts: &Parts, body: B) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(&parts.headers)?;
    let expected =
        r#"{"name": "…", "kind": "openai", "api_key": {"env": "…"}, …} with the fields of [providers.NAME]"#;
    let mut fields: Map<String, Value> = read(body, expected).await?;
    let name = match fields.remove("name") {
        Some(Value::String(name)) => name,
        other => {
            let value = other.map_or_else(|| "missing".to_owned(), |other| other.to_string());
            return Err(Rejection::invalid(
                "name",
                format!("name: {value}; expected the name of a provider"),
            ));
        }
    };
    let config: ProviderConfig = table(Value::Object(fields), &format!("providers.{name}"))?;
    let before = presence(state, &name);
    apply(state, &Change::new().provider_config(&name, &config).map_err(unusable)?)?;
    audit::record(parts, "provider.set", &name, &before, &json!({ "kind": config.kind }));
    Ok(list(state))
}

/// The body of a removal.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Removal {
    /// Routes to replace in the same change, by name.
    routes: BTreeMap<String, Value>,
}

/// Removes a provider that no route uses, and lists the names of the others.
pub(super) async fn remove<B>(
    state: &AdminState,
    name: &str,
    parts: &Parts,
    body: B,
) -> Result<Response, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    state.authorize(&parts.headers)?;
    let expected = r#"no body, or {"routes": {"NAME": {…}}} with the fields of [routes.NAME]"#;
    let Removal { routes } = read_optional(body, expected).await?;
    let mut change = Change::new().remove_provider(name);
    let mut replaced = Vec::new();
    for (name, fields) in routes {
        let route: Route = table(fields.clone(), &format!("routes.{name}"))?;
        replaced.push((name.clone(), routes::summary(state, &name), fields));
        change = change.route(Route { name, ..route });
    }
    let before = presence(state, name);
    apply(state, &change)?;
    audit::record(parts, "provider.remove", name, &before, &Value::Null);
    for (route, before, after) in replaced {
        audit::record(parts, "route.set", &route, &before, &after);
    }
    Ok(list(state))
}

/// Returns what the audit log has of a provider: its settings may hold secrets, so its presence only.
fn presence(state: &AdminState, name: &str) -> Value {
    let is_present = state.client.providers().iter().any(|known| known == name);
    if is_present { json!({ "present": true }) } else { Value::Null }
}
