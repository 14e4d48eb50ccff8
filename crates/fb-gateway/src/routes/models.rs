use axum::{
    extract::{Path, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{error, server::Shared};

/// Every name `model` may have, in OpenAI's form.
pub(crate) async fn models(State(shared): State<Shared>) -> Response {
    let data: Vec<Value> = shared.client.models().iter().map(|id| entry(id)).collect();
    let body = json!({ "object": "list", "data": data }).to_string();
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// One of them.
pub(crate) async fn model(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    if shared.client.models().contains(&id) {
        ([(CONTENT_TYPE, "application/json")], entry(&id).to_string()).into_response()
    } else {
        error::unknown_model(&id, &shared.client.models())
    }
}

fn entry(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 0, "owned_by": "fb" })
}
