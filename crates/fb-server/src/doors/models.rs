use fb::ErrorCode;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    auth::Caller,
    body::{self, Response},
    error::Rejection,
    state::State,
};

/// `GET /v1/models`: every value of `model` that the caller may send, in OpenAI's format, or in Anthropic's for its clients.
pub(crate) fn models(state: &State, headers: &HeaderMap, caller: Option<&Caller>) -> Response {
    let models = state.models(caller);
    let data: Vec<Value> = models.iter().map(|id| entry(id, headers)).collect();
    body::json(&if is_anthropic(headers) {
        let (first, last) = (models.first(), models.last());
        json!({ "data": data, "has_more": false, "first_id": first, "last_id": last })
    } else {
        json!({ "object": "list", "data": data })
    })
}

/// `GET /v1/models/ID`.
pub(crate) fn model(state: &State, id: &String, headers: &HeaderMap, caller: Option<&Caller>) -> Response {
    let models = state.models(caller);
    if models.contains(id) {
        return body::json(&entry(id, headers));
    }
    let message = format!("no model is named {id:?}; models: {}", models.join(", "));
    Rejection::new(ErrorCode::ModelNotFound, message).with_param("model").into_response()
}

/// Returns true for a client of Anthropic, which sends this header with every request.
fn is_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

fn entry(id: &str, headers: &HeaderMap) -> Value {
    if is_anthropic(headers) {
        return json!({
            "type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z",
        });
    }
    json!({ "id": id, "object": "model", "created": 0, "owned_by": "fb" })
}
