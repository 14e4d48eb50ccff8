//! Changes of providers and routes: what both endpoints have in common.

use fb::{Change, ChangeError, InvalidConfig};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::state::AdminState;
use crate::error::Rejection;

/// Applies a change as a whole, or refuses it.
pub(super) fn apply(state: &AdminState, change: &Change) -> Result<(), Rejection> {
    state.client.apply(change).map_err(|error| rejected(&error))
}

pub(super) fn rejected(error: &ChangeError) -> Rejection {
    Rejection::new(error.error_code(), error.to_string()).with_param(error.field())
}

/// Converts a JSON value into a table of the configuration, such as `routes.default`.
pub(super) fn table<T: DeserializeOwned>(value: Value, name: &str) -> Result<T, Rejection> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { name.to_owned() } else { format!("{name}.{path}") };
        let message = format!("{field}: {}", error.inner());
        Rejection::invalid(field, message)
    })
}

/// Refuses a provider that cannot be built.
pub(super) fn unusable(problem: InvalidConfig) -> Rejection {
    rejected(&problem.into())
}
