use fb::ErrorCode;
use serde_json::{Value, json};

use crate::{
    auth::Caller,
    body::{self, Response},
    error::Rejection,
    state::State,
};

/// `GET /v1/models`: every value of `model` that the caller may send, in OpenAI's format.
pub(crate) fn models(state: &State, caller: Option<&Caller>) -> Response {
    let data: Vec<Value> = state.models(caller).iter().map(|id| entry(id)).collect();
    body::json(&json!({ "object": "list", "data": data }))
}

/// `GET /v1/models/ID`.
pub(crate) fn model(state: &State, id: &String, caller: Option<&Caller>) -> Response {
    let models = state.models(caller);
    if models.contains(id) {
        return body::json(&entry(id));
    }
    let message = format!("no model is named {id:?}; models: {}", models.join(", "));
    Rejection::new(ErrorCode::ModelNotFound, message).with_param("model").into_response()
}

fn entry(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 0, "owned_by": "fb" })
}
