use fb::Standing;
use serde_json::{Value, json};

use super::state::AdminState;
use crate::body::{self, Response};

/// Lists the usage of every tenant, and its distance to the limits.
pub(super) fn list(state: &AdminState) -> Response {
    let rows = state.client.tenants().into_iter().map(|(name, used, standing)| {
        let (standing, limit) = match standing {
            Standing::Free => ("free", None),
            Standing::Soft { limit, .. } => ("soft", Some(limit)),
            Standing::Hard { limit, .. } => ("hard", Some(limit)),
        };
        json!({ "tenant": name, "standing": standing, "limit": limit, "used": used })
    });
    let rows: Vec<Value> = rows.collect();
    body::json(&json!({ "ledger_failure": state.client.ledger_failure(), "tenants": rows }))
}
