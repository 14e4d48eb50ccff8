use axum::{
    extract::{self, Path},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{error, state::State};

/// Every name `model` may have, in OpenAI's form.
pub(crate) async fn models(extract::State(state): extract::State<State>) -> Response {
    let data: Vec<Value> = state.client.models().iter().map(|id| entry(id)).collect();
    let body = json!({ "object": "list", "data": data }).to_string();
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// One of them.
pub(crate) async fn model(extract::State(state): extract::State<State>, Path(id): Path<String>) -> Response {
    if state.client.models().contains(&id) {
        ([(CONTENT_TYPE, "application/json")], entry(&id).to_string()).into_response()
    } else {
        error::unknown_model(&id, &state.client.models())
    }
}

fn entry(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 0, "owned_by": "fb" })
}
